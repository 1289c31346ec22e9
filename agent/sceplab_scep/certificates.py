"""What SCEP does with X.509 certificates, on top of ``cryptography.x509``.

Making the self-signed certificate of a first enrollment stands here; choosing among a CA's
certificates and checking an issued one stand in modules of their own and are offered from here.

Spec: RFC 8894 §2.2, §2.3; checklist 6, 15.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.asn1 import TLV
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_scep.algorithms import Digest
from sceplab_scep.ca_selection import CaSelection, load_readable, select_ca_certificates
from sceplab_scep.errors import LocalProtocolError
from sceplab_scep.issued import IssuedCertificate, check_issued, choose_issued, describe_certificate
from sceplab_scep.ports import MessageSigner
from sceplab_scep.signing_key import signing_key
from sceplab_scep.x509fields import load_certificate, subject_der
from sceplab_scep.x509writer import encode_extension, key_element, name_element, sign_certificate

__all__ = [
    "CaSelection",
    "IssuedCertificate",
    "check_issued",
    "choose_issued",
    "describe_certificate",
    "fingerprint",
    "load_certificate",
    "load_readable",
    "select_ca_certificates",
    "self_signed_certificate",
    "signing_key",
    "subject_der",
]

FINGERPRINT_ALGORITHMS = ("sha256", "sha1", "md5")
"""Hashes of fingerprints; all but the first only for old consoles and pages."""

_BACKDATED = timedelta(minutes=10)
"""How far before now the self-signed certificate starts, for servers whose clock is behind."""


def _extensions(*, can_decrypt: bool) -> tuple[TLV, ...]:
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=can_decrypt,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (encode_extension(usage, critical=True),)


_RSA_EXTENSIONS = _extensions(can_decrypt=True)
_EC_EXTENSIONS = _extensions(can_decrypt=False)


def fingerprint(certificate_der: bytes, algorithm_name: str) -> bytes:
    """Hash over the complete DER of a certificate.

    Args:
        certificate_der: the certificate.
        algorithm_name: one of `FINGERPRINT_ALGORITHMS`.

    Raises:
        LocalProtocolError: another algorithm.

    Spec: RFC 8894 §2.2; checklist 15.1.
    """
    if algorithm_name not in FINGERPRINT_ALGORITHMS:
        raise LocalProtocolError(f"no fingerprints with {algorithm_name}")
    return hashlib.new(algorithm_name, certificate_der, usedforsecurity=False).digest()


def self_signed_certificate(
    csr_subject: x509.Name,
    signer: MessageSigner,
    *,
    now: datetime,
    digest: Digest,
    lifetime_days: int = 365,
    serial: int | None = None,
) -> x509.Certificate:
    """The certificate a first enrollment is signed with: subject and key of the request.

    Args:
        csr_subject: subject of the request.
        signer: key of the request.
        now: current time, timezone-aware UTC; the certificate starts ten minutes earlier.
        digest: digest of the signature, best the one of the message (checklist F-07).
        lifetime_days: length of the validity.
        serial: positive number of up to 20 octets; ``None`` draws a random one.

    Raises:
        LocalProtocolError: the serial is not positive or too long, or an EC key with MD5.

    Spec: RFC 8894 §2.3; checklist C-05, C-06, T-35.
    """
    public_key = signer.public_key
    name = name_element(csr_subject)
    starts_at = now - _BACKDATED
    return sign_certificate(
        subject=name,
        issuer=name,
        public_key=key_element(public_key),
        serial_number=x509.random_serial_number() if serial is None else serial,
        validity=(starts_at, starts_at + timedelta(days=lifetime_days)),
        extensions=_RSA_EXTENSIONS if isinstance(public_key, RSAPublicKey) else _EC_EXTENSIONS,
        signer=signer,
        digest=digest,
    )
