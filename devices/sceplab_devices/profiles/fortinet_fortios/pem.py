"""Certificates and requests as PEM text."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_devices.profiles.readable import UNREADABLE, is_readable


def read_certificate(text: str) -> x509.Certificate | None:
    """The certificate in a PEM text; ``None`` when there is none, or none that can be shown."""
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
    except UNREADABLE:
        return None
    return certificate if is_readable(certificate) else None


def certificate_pem(der: bytes) -> str:
    """PEM text of a certificate, without the last line end."""
    certificate = x509.load_der_x509_certificate(der)
    return certificate.public_bytes(Encoding.PEM).decode().rstrip("\n")


def request_pem(der: bytes) -> str:
    """PEM text of a request, without the last line end."""
    return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM).decode().rstrip("\n")


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether a certificate may sign others; one that does not say may."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return found.value.ca
