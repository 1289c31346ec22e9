"""Renewals that would follow one another without a pause: cut, backdated, of a slow server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_agent.cli_output import format_status
from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import Notify
from sceplab_agent.core.events import EnrollRequested, RenewRequested
from sceplab_agent.core.policy import PollPolicy, RenewalPolicy
from sceplab_agent.core.schedule import earliest_renewal_at, renewal_at
from sceplab_agent.core.states import State
from sceplab_agent.status import TrustpointStatus, read_status
from sceplab_ndes.hierarchy import CaPlan
from tests.support.core import PKI, T0, Stage, device_key, policy
from tests.support.pair import Pair

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("left", "is_gainless", "gap"),
    [
        (730 * DAY, False, HOUR),
        (4 * HOUR, False, HOUR),
        (HOUR, False, 30 * MINUTE),
        (5 * MINUTE, False, 2.5 * MINUTE),
        (timedelta(0), False, timedelta(seconds=1)),
        (730 * DAY, True, 365 * DAY),
        (HOUR, True, 30 * MINUTE),
        (timedelta(seconds=4), True, timedelta(seconds=10)),
        (-MINUTE, True, timedelta(seconds=10)),
    ],
)
def test_the_gap_follows_what_is_left(left: timedelta, is_gainless: bool, gap: timedelta) -> None:
    """An hour or half of what is left; without a gain, half of what is left."""
    moment = earliest_renewal_at(RenewalPolicy(), NOW, NOW + left, is_gainless=is_gainless)
    assert moment == NOW + gap


@pytest.mark.parametrize("days", [1, 30, 730])
def test_an_ordinary_certificate_does_not_feel_the_gap(days: int) -> None:
    """Its renewal comes at the share of its life, as before."""
    end = NOW + days * DAY
    moment = renewal_at(RenewalPolicy(), PollPolicy(), NOW, end, 0.0)
    assert moment > earliest_renewal_at(RenewalPolicy(), NOW, end, is_gainless=False)


@given(
    lifetime_s=st.integers(10, 3 * 365 * 86_400),
    backdate_s=st.integers(0, 2 * 86_400),
    behind_s=st.integers(-300, 2 * 86_400),
    ca_left_s=st.integers(1, 3 * 365 * 86_400),
    least_gap_s=st.integers(1, 366 * 86_400),
)
def test_renewals_pause_and_none_comes_too_late(
    lifetime_s: int, backdate_s: int, behind_s: int, ca_left_s: int, least_gap_s: int
) -> None:
    """Whatever the server does: a second passes, few gainless ones, always before the end."""
    rules = RenewalPolicy(least_gap_s=least_gap_s)
    ca_end = NOW + timedelta(seconds=ca_left_s)
    now, before, gainless = NOW, NOW, 0
    for _ in range(200):
        issued = now.replace(microsecond=0) - timedelta(seconds=behind_s)
        begin = issued - timedelta(seconds=backdate_s)
        end = min(issued + timedelta(seconds=lifetime_s), ca_end)
        if end <= now:
            break
        gainless = 0 if end > before else gainless + 1
        moment = max(
            renewal_at(rules, PollPolicy(), begin, end, 0.0),
            earliest_renewal_at(rules, now, end, is_gainless=gainless > 0),
        )
        assert moment >= now + timedelta(seconds=1)
        left = end - now
        # Half of what is left remains for the renewal, or what the policy's own moment leaves.
        usual = renewal_at(rules, PollPolicy(), begin, end, 0.0)
        assert moment <= max(usual, now + 0.5 * left, now + timedelta(seconds=10))
        assert gainless <= 30
        now, before = moment, end
        if now >= end:
            assert left <= timedelta(seconds=20 + max(0, -behind_s))
            break


def renewed(stage: Stage, *, lifetime: timedelta, backdate: timedelta = timedelta()) -> None:
    """The renewal that is under way ends with such a certificate."""
    stage.through_request()
    key = stage.machine.new_key
    assert key is not None
    begin = stage.now - backdate
    der = PKI.issue(device_key(key.key_id), at=begin, lifetime=lifetime + backdate)
    stage.issued(der)
    stage.give(ev.CertificateInstalled())


def test_a_certificate_that_is_due_on_arrival_waits() -> None:
    """Backdated by a day, it would be due at once; it is renewed when half is over, or later."""
    stage = Stage().to_installed()
    stage.wake()
    renewed(stage, lifetime=400 * DAY)
    stage.give(RenewRequested())
    renewed(stage, lifetime=401 * DAY, backdate=2000 * DAY)
    assert stage.machine.next_deadline() == stage.now + HOUR
    assert stage.give(ev.DeadlineReached()) == []
    stage.restart()
    stage.give(ev.Restarted())
    assert stage.machine.next_deadline() == stage.now + HOUR
    stage.wake()
    assert stage.state is State.RENEW_DUE


def test_a_clock_that_was_ahead_at_the_installation_delays_nothing() -> None:
    """The gap counts from now where the installation seems to lie ahead."""
    stage = Stage().to_installed()
    stage.now = T0 + 300 * DAY
    stage.give(RenewRequested())
    renewed(stage, lifetime=100 * DAY, backdate=250 * DAY)
    assert stage.machine.next_deadline() == stage.now + HOUR
    stage.now = T0 + 200 * DAY
    stage.give(ev.DeadlineReached())
    stage.machine.set_policy(policy(renewal=RenewalPolicy(at_share=0.2)))
    assert stage.machine.next_deadline() == stage.now + HOUR


def test_the_operator_is_not_held_up() -> None:
    """The gap is for the timer; who asks gets a renewal at once, as often as wanted."""
    stage = Stage().to_installed()
    for _ in range(3):
        stage.give(RenewRequested())
        assert stage.state is State.RENEW_DUE
        renewed(stage, lifetime=HOUR, backdate=9 * HOUR)


def test_the_gap_is_the_policys() -> None:
    """A changed policy moves the moment at once."""
    stage = Stage().to_installed()
    stage.give(RenewRequested())
    renewed(stage, lifetime=900 * DAY, backdate=9000 * DAY)
    stage.machine.set_policy(policy(renewal=RenewalPolicy(least_gap_s=60)))
    assert stage.machine.next_deadline() == stage.now + MINUTE


def test_renewals_that_gain_nothing_become_rare_and_say_so_once() -> None:
    """Each waits for half of what is left; the first is told; a later end resets."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(at_share=0.01, least_gap_s=1)))
    stage.to_installed()
    end = T0 + 365 * DAY
    told = []
    for _ in range(5):
        stage.wake()
        renewed(stage, lifetime=end - stage.now, backdate=DAY)
        told += [one for one in stage.commands if isinstance(one, Notify)]
        left = end - stage.now
        assert stage.machine.next_deadline() == stage.now + 0.5 * left
        stage.restart()
        stage.give(ev.Restarted())
        assert stage.machine.next_deadline() == stage.now + 0.5 * left
    assert [one.event_id for one in told] == ["renewal.gainless"]
    assert "like the one before" in str(told[0].details["reason"])
    assert "CA's operator" in str(told[0].details["next_step"])
    assert stage.machine.active is not None
    assert stage.machine.active.gainless == 5
    stage.wake()
    renewed(stage, lifetime=366 * DAY)
    assert stage.machine.active.gainless == 0


@pytest.mark.covers("M1")
def test_a_ca_near_its_end_is_not_asked_without_a_pause() -> None:
    """Cut to a CA of one day: few renewals to its last minute, one word, and `status` names it."""
    pair = Pair(plan=CaPlan(ca_lifetime_days=1, ra_lifetime_days=1))
    pair.fetch_password()
    pair.driver.feed(pair.session, EnrollRequested())
    end = pair.server.hierarchy.root.certificate.not_valid_after_utc
    pair.driver.run_until(end - timedelta(seconds=30))
    active = pair.session.machine.active
    assert active is not None
    assert active.not_after == end
    assert 5 < active.generation < 25
    assert end - active.installed_at < 5 * MINUTE
    told = [notice for notice in pair.diary.notices if notice.event_id == "renewal.gainless"]
    assert len(told) == 1
    assert f"the CA's own certificate ends at {end.isoformat()}" in str(told[0].details["reason"])
    (status,) = read_status([pair.config()], pair.journal, state_dir=None)
    assert "the CA's own certificate ends at" in status.renewal_note
    assert f"  note         {status.renewal_note}" in format_status(status)
    assert TrustpointStatus.from_json(status.to_json()) == status
    pair.driver.run_until(end + MINUTE)
    (status,) = read_status([pair.config()], pair.journal, state_dir=None)
    assert status.renewal_at is None
    assert "the CA's own certificate ends at" in status.failure
    assert "a new certificate of the CA" in status.next_step
    pair.driver.run_until(end + HOUR)
    (status,) = read_status([pair.config()], pair.journal, state_dir=None)
    assert "RA certificate" in status.failure
    assert "the clock here" in status.next_step
