"""Certificates written here are those that the library's builder would write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sceplab_scep.algorithms import Digest
from sceplab_scep.certificates import signing_key
from sceplab_scep.errors import LocalProtocolError
from sceplab_scep.x509fields import fields_of
from sceplab_scep.x509writer import encode_extension, key_element, name_element, sign_certificate
from tests.support.pki import CA_NAME, DEVICE_NAME, NOW, der, key_usage, name, rsa_key

_EXTENSIONS: list[tuple[x509.ExtensionType, bool]] = [
    (x509.BasicConstraints(ca=False, path_length=None), True),
    (key_usage("digital_signature", "key_encipherment"), True),
    (x509.SubjectAlternativeName([x509.DNSName("router1.example.com")]), False),
    (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2"), b"\x05\0"), False),
]


def _write(
    *,
    serial: int = 77,
    starts_at: datetime = NOW,
    days: int = 365,
    extensions: list[tuple[x509.ExtensionType, bool]] = _EXTENSIONS,
) -> x509.Certificate:
    return sign_certificate(
        subject=name_element(name(DEVICE_NAME)),
        issuer=name_element(name(CA_NAME)),
        public_key=key_element(rsa_key("device").public_key),
        serial_number=serial,
        validity=(starts_at, starts_at + timedelta(days=days)),
        extensions=[encode_extension(value, critical=critical) for value, critical in extensions],
        signer=rsa_key("ca"),
        digest=Digest.SHA256,
    )


@pytest.mark.parametrize("serial", [1, 0x80, (1 << 159) - 1])
@pytest.mark.parametrize(
    ("starts_at", "days"),
    [
        (NOW, 365),
        (datetime(2049, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 1),
        (datetime(2050, 1, 1, tzinfo=UTC), 365 * 100),
        (datetime(1999, 12, 31, tzinfo=UTC), 365),
    ],
)
@pytest.mark.parametrize("count", [0, 1, len(_EXTENSIONS)])
def test_as_the_library_writes_it(serial: int, starts_at: datetime, days: int, count: int) -> None:
    """The same fields give the same bytes, the signature included."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(DEVICE_NAME))
        .issuer_name(name(CA_NAME))
        .public_key(rsa_key("device").public_key)
        .serial_number(serial)
        .not_valid_before(starts_at)
        .not_valid_after(starts_at + timedelta(days=days))
    )
    for value, critical in _EXTENSIONS[:count]:
        builder = builder.add_extension(value, critical)
    expected = builder.sign(signing_key(rsa_key("ca")), hashes.SHA256())
    written = _write(serial=serial, starts_at=starts_at, days=days, extensions=_EXTENSIONS[:count])
    assert der(written) == der(expected)
    assert fields_of(written).der == der(expected)


@pytest.mark.parametrize("serial", [0, -1, 1 << 159])
def test_serial_numbers_are_positive_and_short(serial: int) -> None:
    """RFC 5280 allows 1 to 20 octets of a positive number."""
    with pytest.raises(LocalProtocolError, match="serial number"):
        _write(serial=serial)
