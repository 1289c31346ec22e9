"""Frames are read back as they were written, and nothing else gets through."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_agent.eap.frames import (
    EapCode,
    EapolFrame,
    EapolKind,
    EapPacket,
    EapType,
    FrameError,
    TlsFragment,
    read_eap,
    read_eapol,
    read_tls_fragment,
)


def test_bytes_are_those_of_the_documents() -> None:
    """An identity response, byte for byte."""
    packet = EapPacket(EapCode.RESPONSE, 7, EapType.IDENTITY, b"host")
    assert packet.encode() == bytes.fromhex("02000009 02070009 01") + b"host"
    assert EapolFrame(EapolKind.START).encode() == bytes.fromhex("02010000")
    assert EapPacket(EapCode.SUCCESS, 9).encode() == bytes.fromhex("02000004 03090004")
    assert TlsFragment(b"abc", has_more=True, total=9).encode() == b"\xc0\0\0\0\x09abc"
    assert TlsFragment(is_start=True).encode() == b"\x20"


@given(st.sampled_from([1, 2]), st.integers(0, 255), st.integers(0, 255), st.binary(), st.binary())
def test_packets_come_back(
    code: int, identifier: int, method: int, data: bytes, padding: bytes
) -> None:
    """What was written is read, whatever padding Ethernet adds."""
    packet = EapPacket(EapCode(code), identifier, method, data)
    assert read_eap(read_eapol(packet.encode() + padding).body) == packet


@given(st.binary(), st.booleans(), st.booleans(), st.none() | st.integers(0, 2**32 - 1))
def test_fragments_come_back(content: bytes, more: bool, start: bool, total: int | None) -> None:
    """What was written is read."""
    fragment = TlsFragment(content, more, start, total)
    assert read_tls_fragment(fragment.encode()) == fragment


@pytest.mark.parametrize(
    "wrong", ["", "0200", "02000001", "0200000500", "02030000", "02ff0000"]
)  # fmt: skip
def test_wrong_frames_are_refused(wrong: str) -> None:
    """Too short, longer than there is, or of a kind that is not for us."""
    with pytest.raises(FrameError):
        read_eapol(bytes.fromhex(wrong))


@pytest.mark.parametrize(
    "wrong", ["", "010100", "01010003", "01010004", "0101000901", "05010005ff"]
)
def test_wrong_packets_are_refused(wrong: str) -> None:
    """Lengths that do not fit, requests without a type, unknown codes."""
    with pytest.raises(FrameError):
        read_eap(bytes.fromhex(wrong))


@pytest.mark.parametrize("wrong", ["", "80", "c0000000"])
def test_wrong_fragments_are_refused(wrong: str) -> None:
    """Flags missing, or the length that they announce."""
    with pytest.raises(FrameError):
        read_tls_fragment(bytes.fromhex(wrong))


@pytest.mark.fuzz
@given(st.binary(max_size=200))
def test_parsers_take_anything(data: bytes) -> None:
    """Any bytes give a frame within the bytes, or `FrameError`."""
    with suppress(FrameError):
        assert len(read_eapol(data).body) <= len(data)
    with suppress(FrameError):
        assert len(read_eap(data).data) <= len(data)
    with suppress(FrameError):
        assert len(read_tls_fragment(data).content) <= len(data)
