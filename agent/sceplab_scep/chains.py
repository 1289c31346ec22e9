"""Whether one certificate was issued by another, and chains of that.

Names, signatures and validity; no revocation, no name constraints.

Spec: RFC 5280 §6.1 in part; checklist C-04, C-43.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from sceplab_scep import oids
from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.errors import MalformedMessageError
from sceplab_scep.signatures import is_signature_valid
from sceplab_scep.x509fields import fields_of, read_extension

MAX_CHAIN_LENGTH = 8
_MAX_TRIED_KEYS = 8


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether it may issue: basicConstraints say so, or it is self-signed and too old to say.

    Its own name as issuer is not enough: a CA can issue a certificate of its name to anybody.
    """
    try:
        constraints = read_extension(certificate, x509.BasicConstraints)
    except MalformedMessageError:
        return False
    if constraints is None:
        return is_directly_issued(certificate, certificate, Floor.LAB)
    return constraints.ca


def is_directly_issued(
    certificate: x509.Certificate, issuer: x509.Certificate, floor: Floor = Floor.MODERN
) -> bool:
    """Whether the names fit and the issuer's key verifies the signature.

    The library verifies no SHA-1 and MD5 signatures of certificates; this does where the floor
    allows them.
    """
    digest = oids.SIGNATURE_DIGEST_BY_OID.get(certificate.signature_algorithm_oid)
    try:
        if digest is None:
            certificate.verify_directly_issued_by(issuer)
            return True
        return (
            floor.allows(digest)
            and fields_of(certificate).issuer_der == fields_of(issuer).subject_der
            and _is_signed_by(certificate, issuer, digest)
        )
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, MalformedMessageError):
        return False


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate, digest: Digest) -> bool:
    """Whether the issuer's key verifies the signature; the same answer is not worked out twice."""
    fields = fields_of(issuer)
    known = fields_of(certificate).is_signed_with
    verdict = known.get(fields.public_key_der)
    if verdict is None:
        if len(known) >= _MAX_TRIED_KEYS:
            known.clear()
        verdict = known[fields.public_key_der] = is_signature_valid(
            fields.public_key, certificate.signature, certificate.tbs_certificate_bytes, digest
        )
    return verdict


def is_valid_at(certificate: x509.Certificate, now: datetime, skew_s: float) -> bool:
    """Whether the moment lies in the validity, give or take the skew in seconds."""
    skew = timedelta(seconds=skew_s)
    return certificate.not_valid_before_utc - skew <= now <= certificate.not_valid_after_utc + skew


def find_path(
    certificate: x509.Certificate,
    authorities: Sequence[x509.Certificate],
    anchor: x509.Certificate,
    floor: Floor = Floor.MODERN,
) -> list[x509.Certificate] | None:
    """Issuers of the certificate up to and including the anchor, or ``None``.

    Args:
        certificate: what to check; the anchor itself has an empty path.
        authorities: candidates between the two.
        anchor: the trusted certificate.
        floor: weakest digest a certificate may be signed with.
    """
    path: list[x509.Certificate] = []
    current = certificate
    remaining = [authority for authority in authorities if authority != anchor]
    while current != anchor and len(path) < MAX_CHAIN_LENGTH:
        if is_directly_issued(current, anchor, floor):
            return [*path, anchor]
        issuer = next(
            (c for c in remaining if is_ca(c) and is_directly_issued(current, c, floor)), None
        )
        if issuer is None:
            return None
        remaining.remove(issuer)
        path.append(issuer)
        current = issuer
    return path if current == anchor else None
