"""Which of a CA's certificates is the anchor, who may sign replies and who receives requests.

Spec: RFC 8894 §2.2, §4.2.1; checklist 15.3, C-04, T-13, T-38.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_scep.algorithms import Floor
from sceplab_scep.chains import is_ca, is_directly_issued, is_valid_at
from sceplab_scep.errors import MalformedMessageError, SignatureInvalidError
from sceplab_scep.names import name_text
from sceplab_scep.x509fields import (
    certificate_der,
    fields_of,
    load_certificate,
    read_extension,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaSelection:
    """Roles of the certificates that chain to the pinned one. Everything else is ignored."""

    anchor_der: bytes
    """The certificate whose fingerprint was pinned."""
    chain_der: tuple[bytes, ...]
    """Every CA certificate that chains to the anchor, the anchor last."""
    recipient_der: bytes
    """Certificate that requests are enveloped for; its key is RSA."""
    signers_der: tuple[bytes, ...]
    """Certificates a reply may be signed with."""


def select_ca_certificates(
    certificates_der: Sequence[bytes],
    anchor_digest: bytes,
    digest_name: str,
    *,
    ignore_key_usage: bool = False,
    now: datetime | None = None,
    skew_s: float = 300.0,
    floor: Floor = Floor.MODERN,
) -> CaSelection:
    """Sorts the answer to GetCACert by role. The order of the bundle means nothing.

    Args:
        certificates_der: every certificate of the answer.
        anchor_digest: the pinned fingerprint.
        digest_name: its hash, as `hashlib` names it.
        ignore_key_usage: for servers whose certificates carry wrong key usages.
        now: current time, UTC; when given, expired RA certificates are not used.
        skew_s: tolerance of that comparison, seconds.
        floor: weakest digest the other certificates may be signed with.

    Raises:
        SignatureInvalidError: no certificate has the pinned fingerprint, none that chains to it
            can receive a request, or all that could are expired.

    Spec: checklist 15.3.
    """
    certificates = _load_readable(certificates_der)
    anchor = _find_anchor(certificates, anchor_digest, digest_name)
    authorities, leaves = _follow_chain(anchor, certificates, floor)
    is_current = _validity_test(now, skew_s)
    recipient = _pick_recipient(authorities, leaves, ignore_key_usage, is_current)
    signing = [
        leaf for leaf in leaves if ignore_key_usage or _may(leaf, lambda u: u.digital_signature)
    ]
    lowest_first = authorities[::-1]
    return CaSelection(
        anchor_der=certificate_der(anchor),
        chain_der=tuple(map(certificate_der, lowest_first)),
        recipient_der=certificate_der(recipient),
        signers_der=tuple(
            certificate_der(signer)
            for signer in (*(leaf for leaf in signing if is_current(leaf)), *lowest_first)
        ),
    )


def _load_readable(certificates_der: Iterable[bytes]) -> list[x509.Certificate]:
    """The certificates that can be read, without repetition."""
    certificates: list[x509.Certificate] = []
    for encoding in dict.fromkeys(certificates_der):
        try:
            certificates.append(load_certificate(encoding))
        except MalformedMessageError:
            # One odd certificate in a bundle is no reason to distrust the others.
            continue
    return certificates


def _find_anchor(
    certificates: Sequence[x509.Certificate], anchor_digest: bytes, digest_name: str
) -> x509.Certificate:
    for certificate in certificates:
        encoding = certificate_der(certificate)
        if hashlib.new(digest_name, encoding, usedforsecurity=False).digest() == anchor_digest:
            return certificate
    raise SignatureInvalidError(
        f"none of the {len(certificates)} CA certificates received has the pinned "
        f"{digest_name} fingerprint",
        section="RFC 8894 §2.2",
    )


def _follow_chain(
    anchor: x509.Certificate, certificates: Sequence[x509.Certificate], floor: Floor
) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """CA certificates from the anchor downwards, and the end-entity certificates below them."""
    authorities = [anchor]
    leaves: list[x509.Certificate] = []
    if not is_ca(anchor):
        leaves.append(anchor)
    waiting = [certificate for certificate in certificates if certificate != anchor]
    for authority in authorities:
        if not is_ca(authority):
            continue
        issued = [c for c in waiting if is_directly_issued(c, authority, floor)]
        waiting = [c for c in waiting if c not in issued]
        authorities.extend(c for c in issued if is_ca(c))
        leaves.extend(c for c in issued if not is_ca(c))
    return authorities, leaves


def _pick_recipient(
    authorities: Sequence[x509.Certificate],
    leaves: Sequence[x509.Certificate],
    ignore_key_usage: bool,
    is_current: Callable[[x509.Certificate], bool],
) -> x509.Certificate:
    """End entity that may receive keys, else one that does not say, else the lowest CA."""
    rsa_leaves = [leaf for leaf in leaves if _has_rsa_key(leaf)]
    stated = [
        leaf
        for leaf in rsa_leaves
        if _key_usage(leaf) is not None
        and _may(leaf, lambda u: u.key_encipherment or u.data_encipherment)
    ]
    unstated = [leaf for leaf in rsa_leaves if _key_usage(leaf) is None]
    for candidates in (stated, unstated, rsa_leaves if ignore_key_usage else []):
        if not candidates:
            continue
        current = [c for c in candidates if is_current(c)]
        if not current:
            newest = max(candidates, key=lambda c: c.not_valid_after_utc)
            raise SignatureInvalidError(
                f"the RA certificate {name_text(newest.subject)} is not valid now: "
                f"{newest.not_valid_before_utc:%Y-%m-%d} to {newest.not_valid_after_utc:%Y-%m-%d}",
                section="RFC 8894 §2.2",
            )
        return max(current, key=lambda c: c.not_valid_before_utc)
    for authority in reversed(authorities):
        if _has_rsa_key(authority):
            return authority
    raise SignatureInvalidError(
        "no certificate that chains to the pinned one has an RSA key to encrypt a request for",
        section="RFC 8894 §3.1",
    )


def _has_rsa_key(certificate: x509.Certificate) -> bool:
    try:
        return isinstance(fields_of(certificate).public_key, RSAPublicKey)
    except MalformedMessageError:
        return False


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return read_extension(certificate, x509.KeyUsage)
    except MalformedMessageError:
        return None


def _may(certificate: x509.Certificate, allows: Callable[[x509.KeyUsage], bool]) -> bool:
    """Whether the key usage allows it; a certificate that does not say may do anything."""
    usage = _key_usage(certificate)
    return usage is None or allows(usage)


def _validity_test(now: datetime | None, skew_s: float) -> Callable[[x509.Certificate], bool]:
    if now is None:
        return lambda _certificate: True
    return lambda certificate: is_valid_at(certificate, now, skew_s)
