"""Moments computed from policy and time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sceplab_agent.core.errors import PollExhaustedError
from sceplab_agent.core.policy import Backoff, PollPolicy, RenewalPolicy
from sceplab_agent.core.schedule import (
    longest_wait_s,
    next_poll_at,
    poll_window_s,
    renewal_at,
    retry_at,
    wait_s,
)
from tests.support.core import FixedChance

NOW = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
NO_JITTER = FixedChance(0.999)


def test_waits_grow_to_the_ceiling() -> None:
    """first * growth**n, never above the ceiling, however large n is."""
    backoff = Backoff(first_s=10, growth=2, ceiling_s=100)
    assert [wait_s(backoff, n, NO_JITTER) for n in range(6)] == [10, 20, 40, 80, 100, 100]
    assert wait_s(backoff, 100_000, NO_JITTER) == 100
    assert wait_s(Backoff(first_s=10, growth=1), 100_000, NO_JITTER) == 10


def test_jitter_only_lengthens() -> None:
    """Each wait is longer by up to the share of itself; the longest wait knows it."""
    backoff = Backoff(first_s=100, growth=1, ceiling_s=100, jitter_share=0.2)
    assert wait_s(backoff, 0, FixedChance(0.0)) == 100
    assert wait_s(backoff, 0, FixedChance(0.5)) == pytest.approx(110)
    assert longest_wait_s(backoff) == pytest.approx(120)


def test_the_first_retry_waits_the_first_wait() -> None:
    """One failure so far: the first step of the back-off."""
    assert retry_at(Backoff(first_s=7), 1, NOW, NO_JITTER) == NOW + timedelta(seconds=7)


@pytest.mark.covers("C-30")
def test_polls_are_bounded_by_number_and_time() -> None:
    """Both limits raise, with the figures."""
    policy = PollPolicy(max_polls=3, max_wait_s=600)
    deadline = NOW + timedelta(seconds=600)
    assert next_poll_at(policy, 2, NOW, deadline, NO_JITTER) <= deadline
    with pytest.raises(PollExhaustedError) as by_number:
        next_poll_at(policy, 3, NOW, deadline, NO_JITTER)
    assert by_number.value.polls == 3
    with pytest.raises(PollExhaustedError) as by_time:
        next_poll_at(policy, 0, deadline, deadline, NO_JITTER)
    assert by_time.value.waited_s == 600


def test_the_last_poll_is_not_after_the_limit() -> None:
    """A wait that reaches past the limit ends there."""
    policy = PollPolicy(backoff=Backoff(first_s=500, growth=1), max_wait_s=600)
    deadline = NOW + timedelta(seconds=600)
    moment = next_poll_at(policy, 1, NOW + timedelta(seconds=500), deadline, NO_JITTER)
    assert moment == deadline


def test_renewal_at_a_share_of_the_lifetime() -> None:
    """The default: 70 %."""
    moment = renewal_at(RenewalPolicy(), PollPolicy(), NOW, NOW + YEAR, 0.0)
    assert moment == NOW + 0.7 * YEAR


@pytest.mark.parametrize(("days", "expected"), [(30.0, 335.0), (200.0, 255.5)])
def test_the_later_of_share_and_days_counts(days: float, expected: float) -> None:
    """70 % of a year is day 255.5; 30 days before the end is day 335."""
    policy = RenewalPolicy(days_before_end=days)
    moment = renewal_at(policy, PollPolicy(), NOW, NOW + YEAR, 0.0)
    assert moment == NOW + timedelta(days=expected)


def test_a_whole_poll_window_fits_before_the_end() -> None:
    """However late the policy wants it, seven days of polling stay."""
    moment = renewal_at(RenewalPolicy(at_share=0.999), PollPolicy(), NOW, NOW + YEAR, 0.0)
    window = timedelta(seconds=poll_window_s(PollPolicy()))
    assert moment == NOW + YEAR - window


def test_a_short_life_is_not_renewed_at_once() -> None:
    """A window longer than half the lifetime counts as half."""
    day = timedelta(days=1)
    assert renewal_at(RenewalPolicy(), PollPolicy(), NOW, NOW + day, 0.0) == NOW + 0.5 * day


def test_renewal_jitter_moves_earlier() -> None:
    """A fleet of equal certificates spreads over the share."""
    policy = RenewalPolicy(jitter_share=0.1)
    moment = renewal_at(policy, PollPolicy(), NOW, NOW + YEAR, 0.5)
    assert moment == NOW + 0.7 * YEAR - 0.05 * YEAR


def test_the_poll_window_is_the_smaller_limit() -> None:
    """Few polls end before the time does, many do not."""
    few = PollPolicy(backoff=Backoff(first_s=60, growth=1), max_polls=10)
    assert poll_window_s(few) == 600
    assert poll_window_s(PollPolicy(max_polls=100_000)) == 7 * 86400
