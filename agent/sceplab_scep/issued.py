"""The certificate a server issued: which one it is, and whether it may be installed.

Spec: RFC 8894 §3.3.2.1; checklist C-42 to C-44, T-27.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sceplab_scep.algorithms import Floor
from sceplab_scep.chains import find_path, is_valid_at
from sceplab_scep.errors import (
    MalformedMessageError,
    NotValidNowError,
    RemoteProtocolError,
    SameCertificateError,
    SignatureInvalidError,
)
from sceplab_scep.names import name_text
from sceplab_scep.x509fields import fields_of, load_certificate, parse_name


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """A certificate as people and journals want to see it."""

    der: bytes
    serial_number: int
    subject: str
    """RFC 4514 text."""
    issuer: str
    """RFC 4514 text."""
    not_before: datetime
    """UTC."""
    not_after: datetime
    """UTC."""
    public_key_der: bytes
    """SubjectPublicKeyInfo, DER."""
    sha256_fingerprint: bytes
    sha1_fingerprint: bytes

    @property
    def serial_hex(self) -> str:
        """Serial number in upper-case hex, whole octets."""
        text = f"{self.serial_number:X}"
        return text if len(text) % 2 == 0 else "0" + text


def describe_certificate(certificate_der: bytes) -> IssuedCertificate:
    """Summary of a certificate.

    Raises:
        MalformedMessageError: it is none.
    """
    certificate = load_certificate(certificate_der)
    fields = fields_of(certificate)
    return IssuedCertificate(
        der=certificate_der,
        serial_number=fields.serial_number,
        subject=name_text(certificate.subject),
        issuer=name_text(certificate.issuer),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        public_key_der=fields.public_key_der,
        sha256_fingerprint=hashlib.sha256(certificate_der).digest(),
        sha1_fingerprint=hashlib.sha1(certificate_der, usedforsecurity=False).digest(),
    )


def choose_issued(certificates_der: Sequence[bytes], public_key_der: bytes) -> bytes:
    """The newest of the certificates whose key is ours.

    Args:
        certificates_der: every certificate of the reply, in any order.
        public_key_der: our key, SubjectPublicKeyInfo.

    Raises:
        RemoteProtocolError: none has our key.

    Spec: checklist C-42.
    """
    ours: list[tuple[datetime, bytes]] = []
    for certificate_der in certificates_der:
        try:
            certificate = load_certificate(certificate_der)
            if _has_key(certificate, public_key_der):
                ours.append((certificate.not_valid_before_utc, certificate_der))
        except MalformedMessageError:
            continue
    if not ours:
        raise RemoteProtocolError(
            f"none of the {len(certificates_der)} certificates in the reply has our public key",
            section="RFC 8894 §3.3.2.1",
            attribute="certificate",
        )
    return max(ours, key=lambda pair: pair[0])[1]


def check_issued(
    certificate_der: bytes,
    *,
    public_key_der: bytes,
    chain_der: Sequence[bytes],
    anchor_der: bytes,
    now: datetime,
    skew_s: float,
    expected_subject_der: bytes | None = None,
    replaced_serial: int | None = None,
    floor: Floor = Floor.MODERN,
) -> None:
    """Everything that has to hold before a certificate is installed.

    Args:
        certificate_der: the issued certificate.
        public_key_der: our key, SubjectPublicKeyInfo.
        chain_der: CA certificates obtained with GetCACert or in the reply; not trusted by itself.
        anchor_der: the pinned certificate.
        now: current time, UTC.
        skew_s: tolerance when validity is held against the clock, seconds.
        expected_subject_der: subject asked for, DER; ``None`` allows the server any change.
        replaced_serial: serial number of the certificate that is being renewed.
        floor: weakest digest the certificates may be signed with.

    Raises:
        RemoteProtocolError: wrong key or subject.
        SameCertificateError: the old certificate.
        NotValidNowError: it, or a CA certificate above it, is not valid now.
        SignatureInvalidError: it does not chain to the pinned certificate.

    Spec: checklist C-43, C-44.
    """
    certificate = load_certificate(certificate_der)
    _check_identity(certificate, public_key_der, replaced_serial, expected_subject_der)
    _check_validity(certificate, now, skew_s)
    anchor = load_certificate(anchor_der)
    authorities = [load_certificate(authority_der) for authority_der in chain_der]
    path = find_path(certificate, authorities, anchor, floor)
    if path is None:
        raise SignatureInvalidError(
            "the issued certificate does not chain to the pinned CA certificate "
            f"(issuer {name_text(certificate.issuer)})",
            attribute="certificate",
        )
    for authority in path[:-1]:
        _check_validity(authority, now, skew_s)


def _check_identity(
    certificate: x509.Certificate,
    public_key_der: bytes,
    replaced_serial: int | None,
    expected_subject_der: bytes | None,
) -> None:
    """Our key, another serial number than before, the subject asked for."""
    if not _has_key(certificate, public_key_der):
        raise RemoteProtocolError(
            "the issued certificate is for another key", attribute="certificate"
        )
    fields = fields_of(certificate)
    if replaced_serial is not None and fields.serial_number == replaced_serial:
        raise SameCertificateError(
            "the server returned the certificate that was to be renewed (same serial number)",
            attribute="serialNumber",
        )
    if expected_subject_der is not None:
        _check_subject(certificate, fields.subject_der, expected_subject_der)


def _has_key(certificate: x509.Certificate, public_key_der: bytes) -> bool:
    """Whether the keys are equal, however the certificate spells the algorithm parameters."""
    fields = fields_of(certificate)
    if fields.public_key_der == public_key_der:
        return True
    try:
        public_key = fields.public_key
    except MalformedMessageError:
        return False
    spelled_anew = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return spelled_anew == public_key_der


def _check_subject(certificate: x509.Certificate, actual: bytes, expected: bytes) -> None:
    # A CA may turn a UTF8String into a PrintableString; that is the same name.
    if actual != expected and certificate.subject != parse_name(expected):
        raise RemoteProtocolError(
            f"the issued certificate is for {name_text(certificate.subject)}, "
            f"not for {name_text(parse_name(expected))}",
            attribute="subject",
        )


def _check_validity(certificate: x509.Certificate, now: datetime, skew_s: float) -> None:
    if not is_valid_at(certificate, now, skew_s):
        raise NotValidNowError(
            f"the certificate of {name_text(certificate.subject)} is not valid now: "
            f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}; if the clock here is wrong, "
            "set it",
            attribute="validity",
        )
