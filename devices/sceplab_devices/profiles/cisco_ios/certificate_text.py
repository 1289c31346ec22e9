"""Blocks of ``show crypto pki certificates``: a certificate, a request that waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sceplab_devices.profiles.cisco.dates import Zone, date_text
from sceplab_devices.profiles.cisco.hexdump import grouped_hex, serial_hex
from sceplab_devices.profiles.cisco.names import (
    UNSTRUCTURED_ADDRESS,
    first_value,
    shown_rdns,
)
from sceplab_devices.profiles.cisco.x509_text import (
    alternative_addresses,
    distribution_points,
    extension_lines,
    fingerprint_text,
    key_lines,
    signature_text,
    storage_name,
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
    installed_at: datetime | None = None
    """``None``: not shown (older trains)."""
    key_label: str = ""
    key_storage: str = ""
    is_saved: bool = False
    """It was part of the configuration that was saved last."""

    @property
    def fingerprint_der(self) -> bytes:
        """What fingerprints are taken over."""
        return self.certificate.public_bytes(Encoding.DER)


def certificate_block(shown: ShownCertificate, zone: Zone, *, verbose: bool = False) -> list[str]:
    """The lines of one certificate."""
    certificate = shown.certificate
    lines = ["CA Certificate" if shown.is_ca else "Certificate", "  Status: Available"]
    if verbose:
        lines.append(f"  Version: {certificate.version.value + 1}")
    lines.append(f"  Certificate Serial Number (hex): {serial_hex(certificate.serial_number)}")
    lines.append(f"  Certificate Usage: {usage_text(certificate)}")
    lines.append("  Issuer: ")
    lines += [f"    {rdn}" for rdn in shown_rdns(certificate.issuer)]
    lines += _ca_subject(certificate) if shown.is_ca else _router_subject(certificate)
    points = distribution_points(certificate)
    if points:
        lines.append("  CRL Distribution Points: ")
        lines += [f"    {point}" for point in points]
    lines.append("  Validity Date: ")
    lines.append(f"    start date: {date_text(certificate.not_valid_before_utc, zone)}")
    lines.append(f"    end   date: {date_text(certificate.not_valid_after_utc, zone)}")
    if shown.renew_at is not None:
        lines.append(f"    renew date: {date_text(shown.renew_at, zone)}")
    if verbose:
        lines += _verbose_lines(shown, zone)
    lines.append(f"  Associated Trustpoints: {' '.join(shown.trustpoints)} ")
    if shown.is_saved:
        lines.append(f"  Storage: {storage_name(certificate, is_ca=shown.is_ca)}")
    if verbose and shown.key_label:
        lines.append(f"  Key Label: {shown.key_label}")
        if shown.key_storage:
            lines.append(f"  Key storage device: {shown.key_storage}")
    return lines


def pending_block(
    request: x509.CertificateSigningRequest, digests: Mapping[str, bytes], trustpoint: str
) -> list[str]:
    """The lines of a request that waits at the CA.

    Args:
        request: what waits.
        digests: of the request as it was sent, see `TrustpointView.pending_digests`.
        trustpoint: whose it is.
    """
    return [
        "Certificate",
        "  Subject:",
        *_identity(request.subject, []),
        "   Status: Pending",
        "   Key Usage: General Purpose",
        f"   Certificate Request Fingerprint MD5: {grouped_hex(digests['md5'])}",
        f"   Certificate Request Fingerprint SHA1: {grouped_hex(digests['sha1'])}",
        f"   Associated Trustpoint: {trustpoint} ",
    ]


def _ca_subject(certificate: x509.Certificate) -> list[str]:
    return ["  Subject: ", *(f"    {rdn}" for rdn in shown_rdns(certificate.subject))]


def _router_subject(certificate: x509.Certificate) -> list[str]:
    subject = certificate.subject
    own = _identity(subject, alternative_addresses(certificate))
    return ["  Subject:", *own, *(f"    {rdn}" for rdn in shown_rdns(subject))]


def _identity(subject: x509.Name, other_addresses: list[str]) -> list[str]:
    """Name, address and serial number of the box, picked out of its subject."""
    name = first_value(subject, NameOID.UNSTRUCTURED_NAME) or first_value(
        subject, NameOID.COMMON_NAME
    )
    address = first_value(subject, UNSTRUCTURED_ADDRESS) or "".join(other_addresses[:1])
    serial = first_value(subject, NameOID.SERIAL_NUMBER)
    titled = (("Name", name), ("IP Address", address), ("Serial Number", serial))
    return [f"    {title}: {value}" for title, value in titled if value]


def _verbose_lines(shown: ShownCertificate, zone: Zone) -> list[str]:
    certificate_der = shown.fingerprint_der
    lines = [
        *key_lines(shown.certificate),
        f"  Signature Algorithm: {signature_text(shown.certificate)}",
        f"  Fingerprint MD5: {fingerprint_text(certificate_der, 'md5')}",
        f"  Fingerprint SHA1: {fingerprint_text(certificate_der, 'sha1')}",
        *extension_lines(shown.certificate),
    ]
    if shown.installed_at is not None:
        lines.append(f"  Cert install time: {date_text(shown.installed_at, zone)} ")
    return lines
