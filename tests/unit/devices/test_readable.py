"""Certificates and revocation lists with one wrong octet: refused, or shown."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sceplab_devices.profiles.cisco import pasting, x509_text
from sceplab_devices.profiles.cisco_nxos import certificate_text as nexus
from sceplab_devices.profiles.cisco_nxos.authenticate import issuing_first
from sceplab_devices.profiles.cisco_nxos.carried import read_crl
from sceplab_devices.profiles.fortinet_fortios import certificate_text as fortigate
from sceplab_devices.profiles.fortinet_fortios import pem as fortigate_pem
from sceplab_devices.profiles.juniper_junos import certificate_text as junos
from sceplab_devices.profiles.juniper_junos import pem as junos_pem
from sceplab_devices.profiles.paloalto_panos.certificate_entry import entry_of, read_pem
from sceplab_devices.profiles.readable import load_readable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
ODD_OCTETS = (0x00, 0x01, 0x02, 0x03, 0x09, 0x30, 0x80, 0xFF)
"""Numbers no version has, tags of other types, lengths that lead elsewhere."""


def _certificate() -> bytes:
    return (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(KEY.public_key())
        .serial_number(77)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DirectoryName(NAME)]), critical=False)
        .sign(KEY, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def _revocation_list() -> bytes:
    entry = x509.RevokedCertificateBuilder().serial_number(5).revocation_date(NOW)
    reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(NAME)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=1))
        .add_extension(x509.CRLNumber(3), critical=False)
        .add_revoked_certificate(entry.add_extension(reason, critical=False).build())
        .sign(KEY, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def _spoiled(der: bytes) -> Iterator[bytes]:
    for at, octet in enumerate(der):
        for other in {*ODD_OCTETS, octet ^ 0x01, octet ^ 0x20} - {octet}:
            yield der[:at] + bytes([other]) + der[at + 1 :]


def _pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{b64encode(der).decode()}\n-----END CERTIFICATE-----\n"


def _cisco(der: bytes) -> bool:
    found = issuing_first(pasting.read_certificates(_pem(der)) * 2)
    for one in found[:1]:
        certificate = x509.load_der_x509_certificate(one)
        nexus.certificate_lines(one)
        x509_text.usage_text(certificate)
        x509_text.extension_lines(certificate)
    return bool(found)


def _junos(der: bytes) -> bool:
    found = junos_pem.read_certificates(der)
    for one in found:
        junos.detail_lines("", x509.load_der_x509_certificate(one), is_ca=True)
    return bool(found) and bool(junos_pem.read_certificates(_pem(der).encode()))


def _fortigate(der: bytes) -> bool:
    certificate = fortigate_pem.read_certificate(_pem(der))
    if certificate is None:
        return False
    fortigate_pem.is_ca(certificate)
    return bool(fortigate.details("x", certificate.public_bytes(Encoding.DER)))


def _palo_alto(der: bytes) -> bool:
    found = read_pem(_pem(der))
    return found is not None and bool(entry_of(found))


@pytest.mark.filterwarnings("ignore:.*(serial number|NULL parameter|negative):DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("takes", [_cisco, _junos, _fortigate, _palo_alto])
def test_a_wrong_octet_in_a_certificate(takes: Callable[[bytes], bool]) -> None:
    """A console refuses the paste or shows all of it; nothing is raised at either."""
    whole = _certificate()
    assert takes(whole)
    answers = {takes(spoiled) for spoiled in _spoiled(whole)}
    assert answers == {True, False}  # a signature that does not verify is the port's business


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_wrong_octet_in_a_revocation_list() -> None:
    """It is taken and can be shown, or it is none."""
    whole = _revocation_list()
    taken = [read_crl(spoiled) for spoiled in (whole, *_spoiled(whole))]
    assert taken[0] is not None
    assert None in taken
    for one in taken:
        assert one is None or list(nexus.crl_lines(one))


@pytest.mark.parametrize("version", [0, 2, 9])
def test_a_version_that_no_revocation_list_has(version: int) -> None:
    """The library has an exception of its own for it."""
    whole = _revocation_list()
    at = whole.index(b"\x02\x01\x01") + 2
    assert read_crl(whole[:at] + bytes([version]) + whole[at + 1 :]) is None


def test_what_is_no_certificate() -> None:
    """Nothing at all is none, either."""
    assert load_readable(b"") is None
    assert load_readable(_certificate()) is not None
