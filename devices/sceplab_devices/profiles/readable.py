"""Certificates that operators bring, read as far as a console will show them."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for outside bytes; some of it only when a field is looked at."""


def is_readable(certificate: x509.Certificate) -> bool:
    """Whether names, validity, key and extensions can be read; the library reads them late."""
    try:
        _ = certificate.subject, certificate.issuer, certificate.public_key()
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        _ = certificate.signature_hash_algorithm, certificate.extensions
    except UNREADABLE:
        return False
    return True


def load_readable(certificate_der: bytes) -> x509.Certificate | None:
    """A certificate from DER; ``None``: there is none, or none that can be shown."""
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
    except UNREADABLE:
        return None
    return certificate if is_readable(certificate) else None
