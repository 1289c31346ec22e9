"""PKCS#12: key pair, certificate and CA certificates of a trustpoint in one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    load_key_and_certificates,
    serialize_key_and_certificates,
)

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.readable import UNREADABLE, is_readable
from sceplab_lab.key_pem import PrivateKey
from sceplab_scep.algorithms import Floor
from sceplab_scep.chains import is_directly_issued


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBundle:
    """What such a file holds."""

    key: PrivateKey = field(repr=False)
    certificate_der: bytes
    """Certificate of the key."""
    authorities_der: tuple[bytes, ...]
    """Its issuer first, each followed by its own; others are left out."""


def read_bundle(data: bytes, passphrase: str) -> KeyBundle:
    """Reads a file.

    Args:
        data: DER.
        passphrase: of the file.

    Raises:
        DeviceError: wrong passphrase, no such file, or key or certificate is missing.
    """
    try:
        key, certificate, others = load_key_and_certificates(data, passphrase.encode())
    except UNREADABLE:
        raise DeviceError("no PKCS#12 file, or wrong passphrase") from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise DeviceError("the PKCS#12 file has no RSA or EC private key")
    if certificate is None:
        raise DeviceError("the PKCS#12 file has no certificate for its key")
    if not all(map(is_readable, (certificate, *others))):
        raise DeviceError("a certificate of the PKCS#12 file cannot be read")
    chain = tuple(other.public_bytes(Encoding.DER) for other in _chain(certificate, others))
    return KeyBundle(
        key=key, certificate_der=certificate.public_bytes(Encoding.DER), authorities_der=chain
    )


def write_bundle(
    name: str,
    key: PrivateKey,
    certificate_der: bytes,
    authorities_der: Sequence[bytes],
    passphrase: str,
) -> bytes:
    """A file, DER, encrypted with AES.

    Raises:
        DeviceError: the passphrase is empty.
    """
    if not passphrase:
        raise DeviceError("a PKCS#12 file needs a passphrase")
    authorities = [x509.load_der_x509_certificate(der) for der in authorities_der]
    certificate = x509.load_der_x509_certificate(certificate_der)
    encryption = BestAvailableEncryption(passphrase.encode())
    return serialize_key_and_certificates(name.encode(), key, certificate, authorities, encryption)


def _chain(
    certificate: x509.Certificate, others: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    chain: list[x509.Certificate] = []
    last = certificate
    while last.issuer != last.subject:
        issuer = next(
            (
                one
                for one in others
                if one not in chain and is_directly_issued(last, one, Floor.LAB)
            ),
            None,
        )
        if issuer is None:
            break
        chain.append(issuer)
        last = issuer
    return chain
