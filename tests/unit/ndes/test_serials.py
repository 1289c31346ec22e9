"""Serial numbers."""

from __future__ import annotations

import pytest

from sceplab_ndes.serials import adcs_serial, random_serial, serial_hex


@pytest.mark.parametrize("byte", [0x00, 0x7F, 0x80, 0xFF])
def test_random_serials_are_positive_and_16_bytes(byte: int) -> None:
    """Whatever the source gives."""
    serial = random_serial(lambda count: bytes([byte]) * count)
    assert serial > 0
    assert len(serial.to_bytes((serial.bit_length() + 8) // 8)) == 16


def test_adcs_serials_have_the_layout_of_the_samples() -> None:
    """One byte, request number, eight random bytes, key index, request number: 19 bytes."""
    serial = adcs_serial(lambda count: bytes(range(0x79, 0x79 + count)), request_id=2)
    raw = serial.to_bytes(19)
    assert raw[0] in range(0x40, 0x80)
    assert raw[1:5] == b"\x00\x00\x00\x02"
    assert raw[5:13] == bytes(range(0x7A, 0x82))
    assert raw[13:15] == b"\x00\x00"
    assert raw[15:] == b"\x00\x00\x00\x02"


@pytest.mark.parametrize(("serial", "text"), [(1, "01"), (0xABC, "0abc"), (0x80, "80")])
def test_hex_has_two_digits_a_byte(serial: int, text: str) -> None:
    """Lower case, no prefix."""
    assert serial_hex(serial) == text
