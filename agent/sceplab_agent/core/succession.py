"""Whether an answer to GetCACert is the moment at which the next CA takes over.

Spec: RFC 8894 §4.7; checklist 14, C-31.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sceplab_agent.core.events import TransportFailed
from sceplab_agent.core.pinning import judge_ca_certificates
from sceplab_agent.core.policy import CaPin, EnrollmentPolicy, PinAlgorithm
from sceplab_agent.core.rollover import begins_at, ends_at, switch_at
from sceplab_agent.core.values import Succession, TrustBasis, TrustedCa
from sceplab_agent.core.verdicts import CaDistrusted, CaSucceeded, CaTrusted, CaUnpinned
from sceplab_scep.capabilities import Capabilities
from sceplab_scep.certificates import fingerprint

SuccessionVerdict = CaSucceeded | CaUnpinned | CaDistrusted | TransportFailed


def judge_succession(
    certificates_der: Sequence[bytes],
    capabilities: Capabilities,
    *,
    policy: EnrollmentPolicy,
    current: TrustedCa,
    following: TrustedCa,
    now: datetime,
    is_clock_set: bool,
) -> SuccessionVerdict | None:
    """What follows for the next CA; ``None``: nothing yet, the answer is for the current one.

    A server that shows the next CA has switched. One that shows only the current CA is followed
    until the moment of the switch, and no longer; unless the current CA has ended by now, which
    the server would know.

    Args:
        certificates_der: every certificate of the answer to GetCACert.
        capabilities: answer to GetCACaps.
        policy: floor, rule for RAs, clock skew.
        current: the CA that is trusted now.
        following: the CA it vouched for; its use is agreed to.
        now: current time, UTC.
        is_clock_set: whether validity may be held against ``now``.
    """
    succession = Succession(pin=policy.pin, anchor_der=current.anchor_der)
    is_current_shown = current.anchor_der in certificates_der
    if following.anchor_der not in certificates_der:
        before_s = policy.rollover.switch_before_s
        moment = switch_at(current, following, before_s=before_s)
        # Later than that no server shows the current CA alone: the clock is ahead.
        latest = max(ends_at(current), moment + timedelta(seconds=before_s))
        is_time = is_clock_set and moment <= now < latest
        if not (is_current_shown and is_time):
            return None
        return CaSucceeded(ca=heir(following, succession, now))
    skew = timedelta(seconds=policy.clock_skew_s)
    if is_current_shown and is_clock_set and now < begins_at(following) - skew:
        return None
    digest = fingerprint(following.anchor_der, PinAlgorithm.SHA256.value)
    pin = CaPin(algorithm=PinAlgorithm.SHA256, digest=digest)
    verdict = judge_ca_certificates(
        certificates_der,
        capabilities,
        policy=replace(policy, pin=pin),
        stored=None,
        now=now,
        is_clock_set=is_clock_set,
    )
    if isinstance(verdict, CaTrusted):
        return CaSucceeded(ca=heir(verdict.ca, succession, now))
    return None if is_current_shown else verdict


def heir(ca: TrustedCa, succession: Succession, now: datetime) -> TrustedCa:
    """The CA as it is trusted from ``now`` on."""
    return replace(ca, basis=TrustBasis.SUCCESSION, succession=succession, since=now)
