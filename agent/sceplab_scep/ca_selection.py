"""Which of a CA's certificates is the anchor, who may sign replies and who receives requests.

The order of the answer never matters. Where several certificates fit, the newest is taken: the one
whose validity starts last, then the one that ends last, then the one with the greater encoding.

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
from sceplab_scep.errors import (
    MalformedMessageError,
    NotValidNowError,
    SignatureInvalidError,
    UnauthorizedRaError,
)
from sceplab_scep.names import name_text
from sceplab_scep.ra_rule import RaRule, is_marked_as_ra
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
    """Certificates a reply may be signed with: RAs, newest first, then the CA certificates."""
    unmarked_der: tuple[bytes, ...]
    """Those of recipient and signers that only `RaRule.any_certificate` let in."""


def select_ca_certificates(
    certificates_der: Sequence[bytes],
    anchor_digest: bytes,
    digest_name: str,
    *,
    ra_rule: RaRule | None = None,
    now: datetime | None = None,
    skew_s: float = 300.0,
    floor: Floor = Floor.MODERN,
) -> CaSelection:
    """Sorts the answer to GetCACert by role. The order of the bundle means nothing.

    A certificate that chains to the anchor and is no CA's gets a role only if the rule for RAs
    accepts it, or if it is the anchor itself.

    Args:
        certificates_der: every certificate of the answer.
        anchor_digest: the pinned fingerprint.
        digest_name: its hash, as `hashlib` names it.
        ra_rule: which certificates are RAs; ``None``: those that say so.
        now: current time, UTC; when given, expired RA certificates are not used.
        skew_s: tolerance of that comparison, seconds.
        floor: weakest digest the other certificates may be signed with.

    Raises:
        SignatureInvalidError: no certificate has the pinned fingerprint, or none that chains to
            it can receive a request.
        NotValidNowError: all that could receive one are expired.
        UnauthorizedRaError: certificates that could receive it are there, and none is an RA's.

    Spec: checklist 15.3.
    """
    certificates = load_readable(certificates_der)
    anchor = _find_anchor(certificates, anchor_digest, digest_name)
    authorities, leaves = _follow_chain(anchor, certificates, floor)
    is_current = _validity_test(now, skew_s)
    return _give_roles(anchor, authorities, leaves, ra_rule or RaRule(), is_current)


def _give_roles(
    anchor: x509.Certificate,
    authorities: Sequence[x509.Certificate],
    leaves: Sequence[x509.Certificate],
    rule: RaRule,
    is_current: Callable[[x509.Certificate], bool],
) -> CaSelection:
    ras = [leaf for leaf in leaves if leaf == anchor or rule.accepts(leaf)]
    recipient = _pick_ra(ras, rule, is_current)
    if recipient is None:
        _refuse_others(leaves, rule)
        recipient = _pick_authority(authorities)
    signers = [
        ra
        for ra in ras
        if is_current(ra) and (rule.ignores_key_usage or _may(ra, lambda u: u.digital_signature))
    ]
    acting = dict.fromkeys((recipient, *signers)) if rule.any_certificate else {}
    return CaSelection(
        anchor_der=certificate_der(anchor),
        chain_der=tuple(map(certificate_der, authorities)),
        recipient_der=certificate_der(recipient),
        signers_der=tuple(map(certificate_der, (*signers, *authorities))),
        unmarked_der=tuple(
            certificate_der(c) for c in acting if c not in authorities and not is_marked_as_ra(c)
        ),
    )


def load_readable(certificates_der: Iterable[bytes]) -> list[x509.Certificate]:
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
    """CA certificates, the lowest first, the anchor last; and the end entities below them.

    Newest first among those of one issuer, whatever the order received.
    """
    authorities = [anchor]
    leaves: list[x509.Certificate] = []
    if not is_ca(anchor):
        leaves.append(anchor)
    waiting = sorted((c for c in certificates if c != anchor), key=_age)
    for authority in authorities:
        if not is_ca(authority):
            continue
        issued = [c for c in waiting if is_directly_issued(c, authority, floor)]
        waiting = [c for c in waiting if c not in issued]
        authorities.extend(c for c in issued if is_ca(c))
        leaves.extend(c for c in issued if not is_ca(c))
    return authorities[::-1], sorted(leaves, key=_age, reverse=True)


def _age(certificate: x509.Certificate) -> tuple[datetime, datetime, bytes]:
    """Sorts the newest last; no two certificates are equal in it."""
    return (
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate_der(certificate),
    )


def _rank_recipients(
    leaves: Sequence[x509.Certificate], rule: RaRule
) -> list[list[x509.Certificate]]:
    """Those that may receive keys, those that do not say, and on demand all with an RSA key."""
    rsa_leaves = [leaf for leaf in leaves if _has_rsa_key(leaf)]
    stated = [
        leaf
        for leaf in rsa_leaves
        if _key_usage(leaf) is not None
        and _may(leaf, lambda u: u.key_encipherment or u.data_encipherment)
    ]
    unstated = [leaf for leaf in rsa_leaves if _key_usage(leaf) is None]
    return [stated, unstated, rsa_leaves if rule.ignores_key_usage else []]


def _pick_ra(
    ras: Sequence[x509.Certificate],
    rule: RaRule,
    is_current: Callable[[x509.Certificate], bool],
) -> x509.Certificate | None:
    """The newest RA of the first rank that has any, ``None`` if all are empty."""
    candidates = next(filter(None, _rank_recipients(ras, rule)), None)
    if candidates is None:
        return None
    current = [c for c in candidates if is_current(c)]
    if not current:
        latest = max(candidates, key=lambda c: c.not_valid_after_utc)
        raise NotValidNowError(
            f"the RA certificate {name_text(latest.subject)} is not valid now: "
            f"{latest.not_valid_before_utc:%Y-%m-%d} to {latest.not_valid_after_utc:%Y-%m-%d}; "
            "if the clock here is wrong, set it",
            section="RFC 8894 §2.2",
        )
    return current[0]


def _refuse_others(leaves: Sequence[x509.Certificate], rule: RaRule) -> None:
    """Refuses certificates that offer themselves where an RA is wanted.

    To take the CA instead would be as safe, but a server that has an RA cannot open that.
    """
    for candidates in _rank_recipients(leaves, rule):
        if candidates:
            newest = candidates[0]
            digest = hashlib.sha256(certificate_der(newest)).hexdigest().upper()
            raise UnauthorizedRaError(
                f"the certificate with SHA-256 {digest} is the CA's work, but no RA certificate: "
                f"it lacks {rule.demand}; its subject is {name_text(newest.subject)}",
                section="RFC 8894 §2.2",
            )


def _pick_authority(authorities: Sequence[x509.Certificate]) -> x509.Certificate:
    """The lowest CA that can receive."""
    for authority in authorities:
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
