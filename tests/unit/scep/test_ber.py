"""The BER walk: what it makes of encodings, and where it stops."""

from __future__ import annotations

import pytest
from cryptography.hazmat.asn1 import decode_der, encode_der

from sceplab_scep.ber import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_MESSAGE_BYTES,
    BerError,
    decode_tolerant,
    encode_length,
    join_segments,
    parse_ber,
)
from sceplab_scep.cms import AlgorithmIdentifier, IssuerAndSubject, SignedContentInfo
from sceplab_scep.errors import MalformedMessageError
from tests.support.pki import request_bytes
from tests.support.vectors import definite, indefinite, segments


def _der(data: bytes) -> bytes:
    return parse_ber(data).der


@pytest.mark.parametrize(
    ("length", "octets"),
    [(0, "00"), (127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100"), (65536, "83010000")],
)
def test_lengths(length: int, octets: str) -> None:
    """Definite and as short as possible."""
    assert encode_length(length).hex() == octets


def test_der_stays_as_it_is() -> None:
    """A DER message passes the walk unchanged."""
    message = request_bytes()
    assert _der(message) == message


@pytest.mark.covers("T-22")
@pytest.mark.parametrize(
    ("ber", "der"),
    [
        ("30800201050000", "3003020105"),
        ("308130800201050000", None),
        ("30810302 0105", "3003020105"),
        ("3084000000030201 05", "3003020105"),
        ("248004016104016200 00", "04026162"),
        ("2406040161040162", "04026162"),
        ("24082406040161040162", "04026162"),
        ("2400", "0400"),
        ("24800000", "0400"),
        ("a080240304016100 00", "a003040161"),
        ("3180020102020101 0000", "3106020101020102"),
        ("1f8101 0161", "1f81010161"),
    ],
)
def test_normalisation(ber: str, der: str | None) -> None:
    """Lengths become definite and minimal, segments are joined, outer sets sorted."""
    source = bytes.fromhex(ber.replace(" ", ""))
    if der is None:
        with pytest.raises(BerError):
            _der(source)
    else:
        assert _der(source).hex() == der


def test_deep_sets_keep_their_order() -> None:
    """A set inside a name belongs to somebody's signature and is left alone."""
    unsorted_set = definite(0x31, b"\x02\x01\x02\x02\x01\x01")
    for depth, is_sorted in ((3, True), (4, False)):
        data = unsorted_set
        for _ in range(depth):
            data = indefinite(0x30, data)
        assert (b"\x02\x01\x01\x02\x01\x02" in _der(data)) == is_sorted


def test_content_of_strings_is_not_touched() -> None:
    """What looks like BER inside an OCTET STRING is content."""
    inner = bytes.fromhex("30800201050000")
    assert _der(indefinite(0x24, segments(inner, 3))) == definite(0x04, inner)


def test_zero_length_element_is_no_end() -> None:
    """Two zero bytes inside a definite length are an element, not an end mark."""
    assert _der(b"\x30\x02\x00\x00") == b"\x30\x02\x00\x00"


def test_positions_in_the_source() -> None:
    """Elements know where they stood, end marks included."""
    source = bytes.fromhex("3080" + "0201053080020106" + "0000" + "0000")
    root = parse_ber(source)
    assert (root.start, root.end) == (0, len(source))
    assert source[root.children[1].start : root.children[1].end].hex() == "30800201060000"


@pytest.mark.parametrize(
    "data",
    [
        "",
        "30",
        "3080",
        "30800201",
        "3005020105",
        "30030201",
        "300302010500",
        "04800000",
        "2403020105",
        "308201",
        "1f",
        "1f81",
        "30ff" + "00" * 20,
        "0000000000",
    ],
)
def test_what_is_not_even_ber(data: str) -> None:
    """Truncated, overlong, trailing, primitive without length, strings of something else."""
    with pytest.raises(BerError):
        parse_ber(bytes.fromhex(data))


@pytest.mark.covers("C-46")
def test_depth_is_bounded() -> None:
    """Nesting ends at the limit, in constant Python stack."""
    fine = b"\x30\x80" * MAX_DEPTH + b"\x00\x00" * MAX_DEPTH
    assert parse_ber(fine).der
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(BerError, match="deeply"):
            parse_ber(b"\x30\x80" * depth + b"\x00\x00" * depth)


@pytest.mark.covers("C-46")
def test_number_of_elements_is_bounded() -> None:
    """A million empty elements are not walked to the end."""
    with pytest.raises(BerError, match="too many"):
        parse_ber(indefinite(0x30, b"\x05\x00" * MAX_ELEMENTS))


def test_segments_of_an_implicit_string() -> None:
    """Content of a constructed [0] is joined; anything but strings is refused."""
    assert join_segments(segments(b"abcdef", 4)) == b"abcdef"
    with pytest.raises(BerError):
        join_segments(b"\x02\x01\x05")


def test_strict_reading_comes_first() -> None:
    """DER is decoded without the walk, BER with it, and the caller learns which."""
    strict = encode_der(5)
    pair = definite(0x30, strict * 2)
    value, source = decode_tolerant(IssuerAndSubject, pair, "pair")
    assert source is None
    assert encode_der(value) == pair
    value, source = decode_tolerant(IssuerAndSubject, indefinite(0x30, strict * 2), "pair")
    assert source is not None
    assert encode_der(value) == pair


def test_errors_name_what_was_expected() -> None:
    """Structure, and in what way it is none."""
    with pytest.raises(MalformedMessageError, match="this is no thing: it is empty") as caught:
        decode_tolerant(AlgorithmIdentifier, b"", "thing")
    assert caught.value.attribute == "thing"
    for page in (b"<!DOCTYPE html><html>", b"\r\n  <html>", b"<?xml version='1.0'?>"):
        with pytest.raises(MalformedMessageError, match="it is a web page"):
            decode_tolerant(AlgorithmIdentifier, page, "thing")
    with pytest.raises(MalformedMessageError, match="error parsing asn1 value"):
        decode_tolerant(AlgorithmIdentifier, b"\x30\x80\x02\x01\x05\x00\x00", "thing")
    with pytest.raises(MalformedMessageError, match="longer than what surrounds it"):
        decode_tolerant(AlgorithmIdentifier, b"\x30\x03\x02\x01", "thing")


@pytest.mark.covers("C-46")
def test_size_is_bounded() -> None:
    """A byte more than the limit is not looked at."""
    with pytest.raises(MalformedMessageError, match="at most 1048576"):
        decode_tolerant(SignedContentInfo, b"\x30" * (MAX_MESSAGE_BYTES + 1), "message")


def test_own_elements_decode() -> None:
    """The walk's result is what the strict reader takes."""
    assert decode_der(bytes, parse_ber(indefinite(0x24, segments(b"x" * 300, 7))).der) == b"x" * 300
