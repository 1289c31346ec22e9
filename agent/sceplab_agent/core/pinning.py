"""Judges the answer to GetCACert: trusted, to be shown to the operator, or refused.

The configured pin decides; without one the anchor stored before acts as the pin; without both the
policy for unpinned CAs does. A changed RA certificate that still chains to the anchor, and is an
RA's by the policy's rule, is accepted and noted; a changed anchor is a mismatch.

Spec: RFC 8894 §2.2; checklist 15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sceplab_agent.core.events import FailureCause, TransportFailed
from sceplab_agent.core.next_steps import CLOCK
from sceplab_agent.core.policy import EnrollmentPolicy, PinAlgorithm, UnpinnedCa
from sceplab_agent.core.values import TrustBasis, TrustedCa
from sceplab_agent.core.verdicts import CaDistrusted, CaTrusted, CaUnpinned
from sceplab_agent.text import clean_text
from sceplab_scep.capabilities import Capabilities
from sceplab_scep.certificates import (
    CaSelection,
    fingerprint,
    load_certificate,
    load_readable,
    select_ca_certificates,
)
from sceplab_scep.chains import is_ca
from sceplab_scep.errors import NotValidNowError, ScepError, UnauthorizedRaError
from sceplab_scep.x509fields import certificate_der

CaVerdict = CaTrusted | CaUnpinned | CaDistrusted | TransportFailed

RA_SETTINGS_HINT = (
    "if that is the server's RA, ask the CA's operator for its SHA-256 fingerprint and set "
    "ra_fingerprints; any_certificate_may_be_ra = true gives the check up"
)
"""What to do about a certificate that is refused as RA."""

_SHA256 = "sha256"
_MAX_REASON_CHARS = 400


@dataclass(frozen=True, slots=True)
class _Pin:
    """What one certificate of the bundle has to match."""

    algorithm_name: str
    digest: bytes
    meaning: str
    """For the operator: which pin this is."""


def fingerprint_hex(certificate_der: bytes) -> str:
    """SHA-256 fingerprint of a certificate, upper-case hex without separators."""
    return fingerprint(certificate_der, _SHA256).hex().upper()


def judge_ca_certificates(
    certificates_der: Sequence[bytes],
    capabilities: Capabilities,
    *,
    policy: EnrollmentPolicy,
    stored: TrustedCa | None,
    now: datetime,
    is_clock_set: bool,
) -> CaVerdict:
    """What follows from the CA certificates that were fetched.

    Args:
        certificates_der: every certificate of the answer; order means nothing.
        capabilities: answer to GetCACaps.
        policy: pin, policy without a pin, floor, clock skew.
        stored: the CA trusted before.
        now: current time, UTC.
        is_clock_set: whether validity may be held against ``now``.

    Returns:
        `TransportFailed` for an answer that breaks no trust but cannot be used: it is empty, or
        the RA certificates are expired.
    """
    pin = _effective_pin(policy, stored)
    if is_before_succession(certificates_der, policy, stored):
        reason = "the server shows the CA that was before the one trusted now"
        return TransportFailed(cause=FailureCause.PEER, reason=reason, is_retryable=True)
    refusal = _refusal(certificates_der, pin, policy)
    if refusal:
        return CaDistrusted(reason=refusal)
    try:
        selection = _select(certificates_der, pin, policy, now if is_clock_set else None)
    except UnauthorizedRaError as error:
        reason = clean_text(str(error), max_chars=_MAX_REASON_CHARS)
        return CaDistrusted(reason=f"{reason}; {RA_SETTINGS_HINT}")
    except (ScepError, ValueError) as error:
        return TransportFailed(
            cause=FailureCause.PEER,
            reason=str(error),
            is_retryable=False,
            next_step=CLOCK if isinstance(error, NotValidNowError) else "",
        )
    ca = _trusted(selection, capabilities, policy, stored, now)
    if pin is None and policy.unpinned_ca is UnpinnedCa.ASK:
        return CaUnpinned(ca=ca)
    notes = _notes(policy, stored, ca)
    return CaTrusted(ca=ca, notes=(*notes, "ca.unmarked-ra") if selection.unmarked_der else notes)


def _trusted(
    selection: CaSelection,
    capabilities: Capabilities,
    policy: EnrollmentPolicy,
    stored: TrustedCa | None,
    now: datetime,
) -> TrustedCa:
    """The CA as it will be trusted; what is known of the same anchor is kept."""
    is_heir = holds_by_succession(policy, stored)
    is_same = stored is not None and stored.anchor_der == selection.anchor_der
    return TrustedCa(
        anchor_der=selection.anchor_der,
        issuer_der=find_issuer(selection.recipient_der, selection.chain_der),
        chain_der=selection.chain_der,
        recipient_der=selection.recipient_der,
        signers_der=selection.signers_der,
        capabilities=capabilities,
        basis=_basis(policy, stored),
        since=stored.since if stored is not None and is_same else now,
        succession=stored.succession if stored is not None and is_same and is_heir else None,
    )


def _refusal(certificates_der: Sequence[bytes], pin: _Pin | None, policy: EnrollmentPolicy) -> str:
    """Why the CA is distrusted before anything is looked at; empty if it is not."""
    if pin is None:
        is_refused = policy.unpinned_ca is UnpinnedCa.REFUSE
        received = _received(certificates_der, _SHA256)
        return f"no fingerprint of the CA is configured{received}" if is_refused else ""
    if not certificates_der or _matches(certificates_der, pin):
        return ""
    return (
        f"no CA certificate matches {pin.meaning} {pin.algorithm_name} "
        f"{pin.digest.hex().upper()}{_received(certificates_der, pin.algorithm_name)}"
    )


def _received(certificates_der: Sequence[bytes], algorithm: str) -> str:
    """What there is to compare, for a person."""
    found = ", ".join(fingerprint(der, algorithm).hex().upper() for der in certificates_der)
    return f"; received: {found}" if found else ""


def _select(
    certificates_der: Sequence[bytes],
    pin: _Pin | None,
    policy: EnrollmentPolicy,
    now: datetime | None,
) -> CaSelection:
    """The roles below the pin, or below the CA that a first use would pin."""
    anchor = pin or _first_use(certificates_der)
    return select_ca_certificates(
        certificates_der,
        anchor.digest,
        anchor.algorithm_name,
        ra_rule=policy.ra_rule,
        now=now,
        skew_s=policy.clock_skew_s,
        floor=policy.floor,
    )


def _effective_pin(policy: EnrollmentPolicy, stored: TrustedCa | None) -> _Pin | None:
    if policy.pin is not None and not holds_by_succession(policy, stored):
        return _Pin(policy.pin.algorithm.value, policy.pin.digest, "the configured fingerprint")
    if stored is not None:
        digest = fingerprint(stored.anchor_der, _SHA256)
        return _Pin(_SHA256, digest, "the CA trusted before, fingerprint")
    return None


def holds_by_succession(policy: EnrollmentPolicy, stored: TrustedCa | None) -> bool:
    """Whether the stored anchor counts instead of the configured pin, which is of the CA before.

    An operator who changes the pin has the last word again.
    """
    succession = stored.succession if stored is not None else None
    return succession is not None and succession.pin == policy.pin


def is_before_succession(
    certificates_der: Sequence[bytes], policy: EnrollmentPolicy, stored: TrustedCa | None
) -> bool:
    """Whether the server shows only the CA before: it has not switched yet."""
    if stored is None or stored.succession is None or not holds_by_succession(policy, stored):
        return False
    is_old_shown = stored.succession.anchor_der in certificates_der
    return is_old_shown and stored.anchor_der not in certificates_der


def _matches(certificates_der: Sequence[bytes], pin: _Pin) -> bool:
    return any(fingerprint(der, pin.algorithm_name) == pin.digest for der in certificates_der)


def _first_use(certificates_der: Sequence[bytes]) -> _Pin:
    """The CA that would issue: the issuer of an RA certificate, else the lowest CA of a chain.

    Unreadable certificates are passed over, as they are below a pin.
    """
    certificates = load_readable(certificates_der)
    authorities = [certificate for certificate in certificates if is_ca(certificate)]
    ras = [certificate for certificate in certificates if not is_ca(certificate)]
    issuers = [ca for ca in authorities for ra in ras if ra.issuer == ca.subject]
    lowest = [
        ca
        for ca in authorities
        if not any(other.issuer == ca.subject for other in authorities if other is not ca)
    ]
    chosen = next(iter((*issuers, *lowest, *authorities)), None)
    if chosen is None:
        raise ScepError("the answer to GetCACert holds no CA certificate")
    digest = fingerprint(certificate_der(chosen), _SHA256)
    return _Pin(_SHA256, digest, "the CA on first use")


def find_issuer(recipient_der: bytes, chain_der: Sequence[bytes]) -> bytes:
    """The CA behind the recipient, or the recipient when it is the CA itself (checklist 11)."""
    if recipient_der in chain_der:
        return recipient_der
    name = load_certificate(recipient_der).issuer
    return next((der for der in chain_der if load_certificate(der).subject == name), chain_der[0])


def _basis(policy: EnrollmentPolicy, stored: TrustedCa | None) -> TrustBasis:
    if policy.pin is not None and not holds_by_succession(policy, stored):
        return TrustBasis.PIN
    if stored is not None:
        return stored.basis
    return TrustBasis.OPERATOR if policy.unpinned_ca is UnpinnedCa.ASK else TrustBasis.TOFU


def _notes(policy: EnrollmentPolicy, stored: TrustedCa | None, ca: TrustedCa) -> tuple[str, ...]:
    """Ids of the journal catalogue."""
    if stored is None or stored.anchor_der != ca.anchor_der:
        notes = ["ca.anchor-changed"] if stored is not None else []
        if policy.pin is not None and policy.pin.algorithm is not PinAlgorithm.SHA256:
            notes.append("ca.legacy-pin")
        if ca.basis is TrustBasis.TOFU:
            notes.append("ca.tofu")
        return tuple(notes)
    has_changed = (stored.recipient_der, stored.signers_der) != (ca.recipient_der, ca.signers_der)
    return ("ca.ra-changed",) if has_changed else ()
