"""Names and fields of certificates, byte for byte."""

from __future__ import annotations

import gc
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.asn1 import encode_der

from sceplab_scep import x509fields
from sceplab_scep.algorithms import Digest
from sceplab_scep.chains import is_ca
from sceplab_scep.cms import wrap_der
from sceplab_scep.errors import MalformedMessageError
from sceplab_scep.strings import decode_string, directory_string, encode_printable
from sceplab_scep.x509fields import (
    fields_of,
    load_certificate,
    load_public_key,
    parse_name,
    read_extension,
    subject_key_identifier,
)
from tests.support.pki import CA_NAME, DEVICE_NAME, der, issue, lab_pki, name, rsa_key
from tests.support.vectors import resign

PKI = lab_pki()


def test_fields() -> None:
    """Issuer, subject, serial number and key as they stand in the encoding."""
    fields = fields_of(PKI.ra_signing)
    assert fields.der == der(PKI.ra_signing)
    assert fields.issuer_der == PKI.ca.subject.public_bytes()
    assert fields.subject_der == name("CN=RA").public_bytes()
    assert fields.serial_number == PKI.ra_signing.serial_number
    assert fields.public_key_der == PKI.ra_signing_key.spki
    assert fields.public_key == PKI.ra_signing_key.public_key
    assert encode_der(fields.name.issuer) == fields.issuer_der
    assert encode_der(fields.element) == fields.der


def test_self_issued() -> None:
    """Equal bytes of issuer and subject say so; other names do not."""
    assert fields_of(PKI.ca).is_self_issued
    assert not fields_of(PKI.ra_signing).is_self_issued


def test_remembered_fields_belong_to_their_certificate() -> None:
    """A certificate at the address of one that is gone gets its own fields."""
    for number in range(1, 400):
        certificate = issue("CN=x", rsa_key("x"), CA_NAME, rsa_key("ca"), serial=number)
        assert fields_of(certificate).serial_number == number
        assert fields_of(certificate).serial_number == number
        del certificate
        gc.collect(0)
    assert len(x509fields._remembered) <= x509fields._MAX_REMEMBERED


def test_threads() -> None:
    """Several threads read fields at once without harm."""
    certificates = [
        issue("CN=x", rsa_key("x"), CA_NAME, rsa_key("ca"), serial=number)
        for number in range(1, 60)
    ]
    wrong: list[int] = []

    def read() -> None:
        for _ in range(30):
            for number, certificate in enumerate(certificates, start=1):
                if fields_of(certificate).serial_number != number:
                    wrong.append(number)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_key_identifier() -> None:
    """The extension's value, or nothing."""
    assert subject_key_identifier(PKI.ca) is None


def test_names_are_readable_after_loading() -> None:
    """A certificate whose issuer is no name is refused when it is loaded, not when it is shown."""
    text = name("CN=Lab CA").public_bytes()[-8:]
    broken = der(PKI.ra_signing).replace(text, b"\xba" + text[1:])
    assert broken != der(PKI.ra_signing)
    x509.load_der_x509_certificate(broken)
    with pytest.raises(MalformedMessageError, match="no certificate"):
        load_certificate(broken)


def test_a_bit_string_in_a_name_is_malformed() -> None:
    """The library raises another kind of error for it than for all else that is no name."""
    text = name("CN=Lab CA").public_bytes()[-8:]
    broken = der(PKI.ra_signing).replace(text, b"\x03\x06\x00" + text[3:])
    assert broken != der(PKI.ra_signing)
    with pytest.raises(MalformedMessageError, match="no certificate"):
        load_certificate(broken)
    with pytest.raises(MalformedMessageError, match="no name"):
        parse_name(name("CN=A").public_bytes().replace(b"\x0c\x01A", b"\x03\x01\x00"))


def test_extensions() -> None:
    """The value, nothing when it is absent, and an error when the extensions are broken."""
    usage = read_extension(PKI.ra_signing, x509.KeyUsage)
    assert usage is not None
    assert usage.digital_signature
    assert read_extension(PKI.ra_signing, x509.SubjectAlternativeName) is None
    san = bytes.fromhex("300d0603551d110406300487024040")
    for extensions in ([san.replace(b"\x87\x02", b"\x87\x03")], [BASIC, BASIC]):
        odd = x509.load_der_x509_certificate(
            resign(PKI.ca, PKI.ca_key, Digest.SHA256, extensions=[*map(wrap_der, extensions)])
        )
        with pytest.raises(MalformedMessageError, match="extensions cannot be read"):
            read_extension(odd, x509.BasicConstraints)
        assert subject_key_identifier(odd) is None
        assert not is_ca(odd)


BASIC = bytes.fromhex("300f0603551d130101ff040530030101ff")


@pytest.mark.parametrize("text", [CA_NAME, DEVICE_NAME, "", "CN=Ünïcode,C=DE", "CN=a+OU=b,O=c"])
def test_names(text: str) -> None:
    """A name is read as the library would read it inside a certificate."""
    encoded = name(text).public_bytes()
    assert parse_name(encoded) == name(text)
    assert parse_name(encoded).public_bytes() == encoded


@pytest.mark.parametrize("noise", [b"", b"\x30", b"\x31\x00", b"\x30\x03\x02\x01\x05"])
def test_no_name(noise: bytes) -> None:
    """Anything else is malformed."""
    with pytest.raises(MalformedMessageError, match="no name"):
        parse_name(noise)


def test_no_key() -> None:
    """A key that cannot be read is malformed, and is not remembered."""
    for _ in range(2):
        with pytest.raises(MalformedMessageError, match="public key"):
            load_public_key(b"\x30\x00")


def test_strings() -> None:
    """PrintableString when the text fits; odd characters only to echo a peer."""
    assert encode_der(directory_string("abc")) == b"\x13\x03abc"
    assert encode_der(directory_string("a_c")) == b"\x0c\x03a_c"
    assert encode_der(encode_printable("a_c" * 50))[:3] == b"\x13\x81\x96"
    assert decode_string(encode_printable("a_c")) == ("a_c", "PrintableString")
    with pytest.raises(UnicodeEncodeError):
        encode_printable("ü")


def test_library_and_fields_agree_on_large_numbers() -> None:
    """Serial numbers of twenty octets."""
    large = (1 << 159) - 1
    certificate = issue("CN=x", rsa_key("x"), CA_NAME, rsa_key("ca"), serial=large)
    assert fields_of(certificate).serial_number == certificate.serial_number == large
    assert isinstance(certificate, x509.Certificate)
