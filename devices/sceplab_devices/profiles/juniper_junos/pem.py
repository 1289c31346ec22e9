"""Certificates in files that operators bring: PEM or DER, one or several."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_devices.profiles.readable import UNREADABLE, is_readable


def read_certificates(data: bytes) -> list[bytes]:
    """The certificates of a file, DER each; empty: it holds none that can be read."""
    try:
        if b"-----BEGIN" in data:
            found = x509.load_pem_x509_certificates(data)
        else:
            found = [x509.load_der_x509_certificate(data)]
    except UNREADABLE:
        return []
    if not all(map(is_readable, found)):
        return []
    return [certificate.public_bytes(Encoding.DER) for certificate in found]
