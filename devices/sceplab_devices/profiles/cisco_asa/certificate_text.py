"""Blocks of ``show crypto ca certificates``: a certificate, a request that waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sceplab_devices.profiles.cisco.dates import Zone, date_text
from sceplab_devices.profiles.cisco.hexdump import grouped_hex, serial_hex
from sceplab_devices.profiles.cisco.names import first_value, shown_rdns
from sceplab_devices.profiles.cisco.x509_text import (
    distribution_points,
    signature_text,
    usage_text,
)


@dataclass(slots=True, kw_only=True)
class ShownCertificate:
    """One certificate of the box and what the box knows of it."""

    certificate: x509.Certificate
    is_ca: bool
    trustpoints: list[str]
    """Trustpoints it belongs to."""
    renew_at: datetime | None = None


def certificate_block(shown: ShownCertificate, zone: Zone) -> list[str]:
    """The lines of one certificate."""
    certificate = shown.certificate
    lines = [
        "CA Certificate" if shown.is_ca else "Certificate",
        "  Status: Available",
        f"  Certificate Serial Number: {serial_hex(certificate.serial_number).lower()}",
        f"  Certificate Usage: {usage_text(certificate)}",
        f"  Public Key Type: {_key_text(certificate)}",
        f"  Signature Algorithm: {signature_text(certificate)}",
        "  Issuer Name: ",
        *(f"    {rdn}" for rdn in shown_rdns(certificate.issuer)),
        "  Subject Name:",
        *(f"    {rdn}" for rdn in shown_rdns(certificate.subject)),
    ]
    points = distribution_points(certificate)
    if points:
        lines.append("  CRL Distribution Points: ")
        lines += [f"    [{number}]  {point}" for number, point in enumerate(points, 1)]
    lines.append("  Validity Date: ")
    lines.append(f"    start date: {date_text(certificate.not_valid_before_utc, zone)}")
    lines.append(f"    end   date: {date_text(certificate.not_valid_after_utc, zone)}")
    if shown.renew_at is not None:
        lines.append(f"    renew date: {date_text(shown.renew_at, zone)}")  # U
    lines.append(f"  Associated Trustpoints: {' '.join(shown.trustpoints)} ")
    lines.append("  Storage: config")
    return lines


def _key_text(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA ({key.key_size} bits)"
    return f"ECDSA ({getattr(key, 'key_size', 0)} bits)"  # U


def pending_block(
    request: x509.CertificateSigningRequest, digests: Mapping[str, bytes], trustpoint: str
) -> list[str]:
    """The lines of a request that waits at the CA. Only ``Status: Pending`` is known for sure.

    Args:
        request: what waits.
        digests: of the request as it was sent, see `TrustpointView.pending_digests`.
        trustpoint: whose it is.
    """
    subject = request.subject
    name = first_value(subject, NameOID.UNSTRUCTURED_NAME) or first_value(
        subject, NameOID.COMMON_NAME
    )
    titled = (("Name", name), ("Serial", first_value(subject, NameOID.SERIAL_NUMBER)))
    lines = [
        "Certificate",
        "  Subject Name:",
        *(f"    {title}: {text}" for title, text in titled if text),
        "  Status: Pending",
        "  Key Usage: General Purpose",
        f"  Fingerprint: {grouped_hex(digests['md5']).rstrip().lower()}",
    ]
    return [*lines, f"  Associated Trustpoint: {trustpoint} "]
