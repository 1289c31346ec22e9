"""Moments: when to poll, to try again, to renew. Pure arithmetic over policy and time.

Nothing here looks at a clock; jitter is drawn from the source that is passed in.
"""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from typing import Protocol

from sceplab_agent.core.errors import PollExhaustedError
from sceplab_agent.core.policy import Backoff, PollPolicy, RenewalPolicy

_EARLIEST_SHARE = 0.5
"""A long poll window never moves a renewal into the first half of a certificate's life."""

_GAP_SHARE = 0.5
"""Share of what is left of a certificate after which it may be renewed in any case."""
_LONGEST_PAUSE_S = 86_400.0
"""Between enrollments that are refused."""
_SHORTEST_GAP = timedelta(seconds=1)
"""Resolution of a certificate's validity."""
_SHORTEST_GAINLESS_GAP = timedelta(seconds=10)
"""Halving what is left would never come to an end."""


class RandomSource(Protocol):
    """Where jitter comes from; `random.Random` fits."""

    def random(self) -> float:
        """Next number, 0 ≤ x < 1."""


def wait_s(backoff: Backoff, step: int, rng: RandomSource) -> float:
    """Seconds to wait before the next attempt.

    Args:
        backoff: first wait, growth, ceiling, jitter.
        step: waits that went before, 0 for the first.
        rng: source of the jitter; asked only when there is any.
    """
    return _plain_wait_s(backoff, step) * _stretch(backoff, rng)


def longest_wait_s(backoff: Backoff) -> float:
    """The longest wait the back-off can produce, seconds."""
    return max(backoff.first_s, backoff.ceiling_s) * (1 + backoff.jitter_share)


def retry_at(backoff: Backoff, failures: int, now: datetime, rng: RandomSource) -> datetime:
    """Moment of the next attempt.

    Args:
        backoff: see `wait_s`.
        failures: failures in a row so far, 1 after the first.
        now: current time, UTC.
        rng: source of the jitter.
    """
    return now + timedelta(seconds=wait_s(backoff, failures - 1, rng))


def reenrollment_pause(backoff: Backoff, failures: int, *, is_refused: bool) -> timedelta:
    """How long to wait before an expired certificate is enrolled for again.

    Args:
        backoff: of retries; its ceiling is the first pause after a refusal.
        failures: enrollments in a row that failed, 1 after the first.
        is_refused: whether somebody has to do something first; then pauses double up to a day.
    """
    ceiling_s = backoff.ceiling_s
    if not is_refused:
        return timedelta(seconds=ceiling_s)
    patient = Backoff(first_s=ceiling_s, growth=2, ceiling_s=max(ceiling_s, _LONGEST_PAUSE_S))
    return timedelta(seconds=_plain_wait_s(patient, max(failures - 1, 0)))


def is_poll_exhausted(
    policy: PollPolicy, polls: int, now: datetime, deadline_at: datetime | None
) -> bool:
    """Whether no further CertPoll may be sent.

    Args:
        policy: limits.
        polls: polls already sent.
        now: current time, UTC.
        deadline_at: end of the transaction; ``None`` when the clock cannot be trusted, then only
            the number counts.

    Spec: RFC 8894 §2.5.1, §4.4 (C-30).
    """
    return polls >= policy.max_polls or (deadline_at is not None and now >= deadline_at)


def next_poll_at(
    policy: PollPolicy,
    polls: int,
    now: datetime,
    deadline_at: datetime | None,
    rng: RandomSource,
) -> datetime:
    """Moment of the next CertPoll, at the latest the end of the transaction.

    Args:
        policy: back-off and limits.
        polls: polls already sent, 0 for the first.
        now: current time, UTC.
        deadline_at: end of the transaction, or ``None`` when the clock cannot be trusted.
        rng: source of the jitter.

    Raises:
        PollExhaustedError: number or time is used up.

    Spec: RFC 8894 §4.4; checklist 11.
    """
    if is_poll_exhausted(policy, polls, now, deadline_at):
        began_at = deadline_at - timedelta(seconds=policy.max_wait_s) if deadline_at else now
        raise PollExhaustedError(polls, (now - began_at).total_seconds())
    moment = now + timedelta(seconds=wait_s(policy.backoff, polls, rng))
    return min(moment, deadline_at) if deadline_at else moment


def renewal_at(
    renewal: RenewalPolicy,
    poll: PollPolicy,
    not_before: datetime,
    not_after: datetime,
    jitter: float,
) -> datetime:
    """Moment at which the renewal of a certificate starts.

    The share of the lifetime, or the days before the end if that is later; earlier by the jitter;
    never so late that a whole poll window would not fit before the end (a window longer than half
    the lifetime counts as half).

    Args:
        renewal: share, days, jitter share.
        poll: gives the poll window.
        not_before: start of the validity, UTC.
        not_after: end of the validity, UTC.
        jitter: 0 ≤ x < 1, drawn once for this certificate.

    Spec: checklist 13.8.
    """
    lifetime = not_after - not_before
    moment = not_before + renewal.at_share * lifetime
    if renewal.days_before_end is not None:
        moment = max(moment, not_after - timedelta(days=renewal.days_before_end))
    moment -= jitter * renewal.jitter_share * lifetime
    latest = not_after - timedelta(seconds=poll_window_s(poll))
    return min(moment, max(latest, not_before + _EARLIEST_SHARE * lifetime))


def earliest_renewal_at(
    renewal: RenewalPolicy, installed_at: datetime, not_after: datetime, *, is_gainless: bool
) -> datetime:
    """Before this moment no renewal of an installed certificate starts by itself.

    A certificate can be due as it arrives: backdated, of a server whose clock is hours behind, cut
    to the end of its CA. Renewed at once, the next one would be, too. So a gap is left, of
    ``least_gap_s`` or half of what is left of the certificate, whichever is less: it always is
    renewed before it ends. While renewals gain nothing each one waits for half of what is left:
    from years to seconds in about 25 steps.

    Args:
        renewal: the least gap.
        installed_at: when the certificate was installed, UTC.
        not_after: end of the validity, UTC.
        is_gainless: whether it ends no later than the one before.
    """
    share = _GAP_SHARE * (not_after - installed_at)
    if is_gainless:
        return installed_at + max(share, _SHORTEST_GAINLESS_GAP)
    gap = min(timedelta(seconds=renewal.least_gap_s), share)
    return installed_at + max(gap, _SHORTEST_GAP)


@functools.lru_cache(maxsize=256)
def poll_window_s(policy: PollPolicy) -> float:
    """The longest time one pending transaction can take, seconds."""
    total = 0.0
    stretch = 1 + policy.backoff.jitter_share
    for step in range(policy.max_polls):
        total += _plain_wait_s(policy.backoff, step) * stretch
        if total >= policy.max_wait_s:
            return policy.max_wait_s
    return total


def _plain_wait_s(backoff: Backoff, step: int) -> float:
    try:
        return min(backoff.first_s * backoff.growth**step, backoff.ceiling_s)
    except OverflowError:
        return backoff.ceiling_s


def _stretch(backoff: Backoff, rng: RandomSource) -> float:
    return 1 + backoff.jitter_share * rng.random() if backoff.jitter_share else 1.0
