"""Pasted certificates, requests and keys: with and without armor, whole and broken."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import example, given
from hypothesis import strategies as st

from sceplab_devices.profiles.cisco.pasting import (
    armored,
    decode_base64,
    encode_base64,
    read_certificates,
)
from tests.support.ios import RouterBench

AUTHORITY = RouterBench().port.authority


def test_a_certificate_is_read_in_every_form() -> None:
    """PEM, bare base64 and a PKCS#7 bundle give the same DER; several PEMs keep their order."""
    certificate = x509.load_der_x509_certificate(AUTHORITY)
    bundle = pkcs7.serialize_certificates([certificate], Encoding.DER)
    bare = "\n".join(encode_base64(AUTHORITY))
    pem = "\n".join(armored("CERTIFICATE", AUTHORITY))
    for text in (bare, pem, "\n".join(armored("PKCS7", bundle)), "\n".join(encode_base64(bundle))):
        assert read_certificates(text) == (AUTHORITY,)
    assert read_certificates(f"{pem}\n{pem}") == (AUTHORITY, AUTHORITY)


@pytest.mark.parametrize(
    "text", ["", "quit", "AAAA", "=", "-----BEGIN CERTIFICATE-----", "ÄÖ", "AA=A"]
)
def test_what_is_no_certificate_gives_none(text: str) -> None:
    """No exception, no certificate."""
    assert read_certificates(text) == ()


def test_base64_has_lines_of_64_characters() -> None:
    """All but the last; decoding gives the bytes back."""
    lines = encode_base64(bytes(range(256)))
    assert {len(line) for line in lines[:-1]} == {64}
    assert decode_base64("\n".join(lines)) == bytes(range(256))
    assert decode_base64("\n".join(armored("PKCS12", bytes(range(256))))) == bytes(range(256))


@given(st.text() | st.binary().map(lambda data: "\n".join(armored("CERTIFICATE", data))))
def test_no_paste_breaks_the_reader(text: str) -> None:
    """Whatever is pasted, it is certificates or nothing."""
    for der in read_certificates(text):
        x509.load_der_x509_certificate(der)


@given(st.integers(0, len(AUTHORITY) - 1), st.integers(1, 255))
@example(AUTHORITY.index(bytes.fromhex("a003020102")) + 4, 5)
def test_no_damaged_certificate_breaks_the_reader(place: int, flip: int) -> None:
    """One wrong byte anywhere."""
    damaged = bytearray(AUTHORITY)
    damaged[place] ^= flip
    read_certificates("\n".join(encode_base64(bytes(damaged))))
