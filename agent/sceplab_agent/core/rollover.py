"""The change of the CA: when to ask for the next one, whether it is ours, when to switch.

Pure functions over certificates, policy and time.

Spec: RFC 8894 §4.7; checklist 14, C-31.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sceplab_agent.core.pinning import find_issuer
from sceplab_agent.core.policy import EnrollmentPolicy
from sceplab_agent.core.values import TrustedCa
from sceplab_agent.text import clean_text
from sceplab_scep.capabilities import Capabilities
from sceplab_scep.certificates import load_certificate, load_readable
from sceplab_scep.chains import find_path
from sceplab_scep.errors import ScepError
from sceplab_scep.next_ca import read_next_ca

FETCH_SHARE = 0.8
"""Share of the CA's life time after which its successor is asked for."""
LONGEST_WINDOW = timedelta(days=90)
"""A long-lived CA's successor is not asked for earlier than this before the end."""

_MAX_REASON_CHARS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCaAccepted:
    """The current CA has vouched for this one."""

    ca: TrustedCa
    """As it will be trusted after the switch; its anchor needs no new fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCaRefused:
    """The answer is not to be used."""

    reason: str
    """For a person."""


NextCaVerdict = NextCaAccepted | NextCaRefused


def judge_next_ca(
    answer: bytes,
    capabilities: Capabilities,
    *,
    policy: EnrollmentPolicy,
    current: TrustedCa,
    now: datetime,
    is_clock_set: bool,
) -> NextCaVerdict:
    """What follows from an answer to GetNextCACert.

    The trust is that of the current CA: its signature is what counts, no fingerprint.

    Args:
        answer: body of the answer.
        capabilities: answer to GetCACaps.
        policy: rule for RAs, floor, clock skew.
        current: the CA that is trusted now.
        now: current time, UTC.
        is_clock_set: whether validity may be held against ``now``.

    Spec: RFC 8894 §4.7.1; checklist 14, C-31.
    """
    try:
        found = read_next_ca(
            answer,
            trusted_signers=load_readable((*current.signers_der, *current.chain_der)),
            current_chain=load_readable(current.chain_der),
            now=now if is_clock_set else None,
            skew_s=policy.clock_skew_s,
            floor=policy.floor,
        )
        roles = found.select(ra_rule=policy.ra_rule, floor=policy.floor)
    except (ScepError, ValueError) as error:
        return NextCaRefused(reason=clean_text(str(error), max_chars=_MAX_REASON_CHARS))
    return NextCaAccepted(
        ca=TrustedCa(
            anchor_der=roles.anchor_der,
            issuer_der=find_issuer(roles.recipient_der, roles.chain_der),
            chain_der=roles.chain_der,
            recipient_der=roles.recipient_der,
            signers_der=roles.signers_der,
            capabilities=capabilities,
            basis=current.basis,
            since=now,
        )
    )


def fetch_at(current: TrustedCa) -> datetime:
    """When the successor of a CA is asked for.

    After `FETCH_SHARE` of its life, no earlier than `LONGEST_WINDOW` before its end.
    """
    begins, ends = _life(current)
    return max(begins + FETCH_SHARE * (ends - begins), ends - LONGEST_WINDOW)


def switch_at(current: TrustedCa, following: TrustedCa, *, before_s: float) -> datetime:
    """When the next CA takes over, unless the server shows it as the current one earlier.

    When it is valid, ``before_s`` seconds before the current one ends; when it begins later than
    that, as soon as it begins.
    """
    _, ends = _life(current)
    begins, _ = _life(following)
    return max(begins, ends - timedelta(seconds=before_s))


def begins_at(ca: TrustedCa) -> datetime:
    """From when on every certificate of the chain is valid, UTC."""
    return _life(ca)[0]


def ends_at(ca: TrustedCa) -> datetime:
    """When the first certificate of the chain ends, UTC."""
    return _life(ca)[1]


def belongs_to(certificate_der: bytes, ca: TrustedCa, policy: EnrollmentPolicy) -> bool:
    """Whether a device certificate chains to this CA: tells a shadow certificate from one of today.

    Two CAs may bear one name, so the signature decides.
    """
    try:
        certificate = load_certificate(certificate_der)
        anchor = load_certificate(ca.anchor_der)
    except ScepError:
        return False
    return find_path(certificate, load_readable(ca.chain_der), anchor, policy.floor) is not None


def _life(ca: TrustedCa) -> tuple[datetime, datetime]:
    """The time in which every certificate of the chain is valid, UTC."""
    chain = load_readable(ca.chain_der)
    return (
        max(certificate.not_valid_before_utc for certificate in chain),
        min(certificate.not_valid_after_utc for certificate in chain),
    )
