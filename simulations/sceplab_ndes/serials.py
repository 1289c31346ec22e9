"""Serial numbers of certificates: random ones, and the layout AD CS uses.

Spec: RFC 5280 §4.1.2.2 (positive, at most 20 bytes); NDES 5.3.
"""

from __future__ import annotations

from collections.abc import Callable

_RANDOM_BYTES = 16


def random_serial(random_bytes: Callable[[int], bytes]) -> int:
    """A positive serial number of exactly 16 bytes."""
    raw = bytearray(random_bytes(_RANDOM_BYTES))
    raw[0] = raw[0] & 0x3F | 0x40
    return int.from_bytes(raw)


def adcs_serial(
    random_bytes: Callable[[int], bytes], *, request_id: int, key_index: int = 0
) -> int:
    """A serial number as AD CS makes it, 19 bytes.

    One leading byte, request number, 8 random bytes, CA key index, request number again. The layout
    is inferred from three samples; devices with 8- or 16-byte buffers for serials fail on it.
    """
    raw = random_bytes(9)
    number = (request_id & 0xFFFFFFFF).to_bytes(4)
    lead = bytes([raw[0] & 0x3F | 0x40])
    return int.from_bytes(lead + number + raw[1:] + (key_index & 0xFFFF).to_bytes(2) + number)


def serial_hex(serial: int) -> str:
    """Lower-case hex, two digits a byte."""
    text = f"{serial:x}"
    return text.zfill(len(text) + len(text) % 2)
