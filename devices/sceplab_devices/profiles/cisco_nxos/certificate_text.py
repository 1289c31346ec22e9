"""Certificates and revocation lists in the words of ``show crypto ca``: those of OpenSSL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sceplab_devices.profiles.cisco.dates import MONTHS
from sceplab_devices.profiles.cisco.hexdump import serial_hex
from sceplab_devices.profiles.cisco.names import UNSTRUCTURED_ADDRESS
from sceplab_devices.profiles.cisco_nxos.authenticate import fingerprint

_SHORT = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.COUNTRY_NAME: "C",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.UNSTRUCTURED_NAME: "unstructuredName",
    UNSTRUCTURED_ADDRESS: "unstructuredAddress",
}


def name_text(name: x509.Name) -> str:
    """``/C=IN/O=x/CN=CA``: in the order of the encoding."""
    parts = (
        "+".join(f"{_SHORT.get(part.oid, part.oid.dotted_string)}={_value(part)}" for part in rdn)
        for rdn in name.rdns
    )
    return "".join(f"/{part}" for part in parts)


def _value(attribute: x509.NameAttribute[str | bytes]) -> str:
    value = attribute.value
    return value if isinstance(value, str) else value.hex().upper()


def time_text(moment: datetime) -> str:
    """``May  3 22:46:37 2005 GMT``: UTC, day in two columns."""
    return f"{MONTHS[moment.month - 1]} {moment.day:2d} {moment:%H:%M:%S} {moment.year} GMT"


def certificate_lines(certificate_der: bytes) -> list[str]:
    """The lines of one certificate, below its title."""
    certificate = x509.load_der_x509_certificate(certificate_der)
    return [
        f"subject= {name_text(certificate.subject)}",
        f"issuer= {name_text(certificate.issuer)}",
        f"serial={serial_hex(certificate.serial_number)}",
        f"notBefore={time_text(certificate.not_valid_before_utc)}",
        f"notAfter={time_text(certificate.not_valid_after_utc)}",
        fingerprint(certificate_der),
        f"purposes: {' '.join(_purposes(certificate))}",
    ]


def _purposes(certificate: x509.Certificate) -> Iterator[str]:
    """What the certificate is good for: TLS server and client, IKE."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        allowed = set(usage)
    except x509.ExtensionNotFound:
        allowed = {ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    is_any = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in allowed
    if is_any or ExtendedKeyUsageOID.SERVER_AUTH in allowed:
        yield "sslserver"
    if is_any or ExtendedKeyUsageOID.CLIENT_AUTH in allowed:
        yield "sslclient"
    if is_any or allowed & {ExtendedKeyUsageOID.IPSEC_IKE, ExtendedKeyUsageOID.CLIENT_AUTH}:
        yield "ike"


def crl_lines(crl: x509.CertificateRevocationList) -> Iterator[str]:
    """The lines of a revocation list."""
    digest = crl.signature_hash_algorithm
    yield "Certificate Revocation List (CRL):"
    yield "        Version 2 (0x1)"
    yield f"        Signature Algorithm: {digest.name if digest else 'none'}WithRSAEncryption"
    yield f"        Issuer: {name_text(crl.issuer)}"
    yield f"        Last Update: {time_text(crl.last_update_utc)}"
    if crl.next_update_utc is not None:
        yield f"        Next Update: {time_text(crl.next_update_utc)}"
    revoked = list(crl)
    if not revoked:
        yield "No Revoked Certificates."
        return
    yield "Revoked Certificates:"
    for entry in revoked:
        yield f"    Serial Number: {serial_hex(entry.serial_number)}"
        yield f"        Revocation Date: {time_text(entry.revocation_date_utc)}"
