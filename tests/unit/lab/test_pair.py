"""Both ends in one thread with virtual time: whole courses of an enrollment."""

from __future__ import annotations

import pytest

from sceplab_agent.core.events import EnrollRequested
from sceplab_agent.core.policy import Backoff, PollPolicy, RenewalPolicy
from sceplab_agent.core.states import State
from sceplab_scep.algorithms import Floor
from tests.support.pair import Pair

POLLS = 30
DAYS = 3
SLOW_POLLS = PollPolicy(
    backoff=Backoff(first_s=DAYS * 86400 / POLLS, growth=1.0, ceiling_s=86400.0), max_polls=40
)


def course(seed: int) -> list[str]:
    """The journal of an enrollment with 30 polls over three days and a year of renewals."""
    pair = Pair(
        settings={
            "template": {"approval": "manual", "renewal_approval": "auto", "validity_days": 30}
        },
        policy={"poll": SLOW_POLLS, "renewal": RenewalPolicy(new_key=False)},
        seed=seed,
    )
    pair.fetch_password()
    assert pair.driver.feed(pair.session, EnrollRequested()) is State.PENDING
    assert pair.pass_time(days=DAYS, seconds=-1) == POLLS - 1
    pair.approve_all()
    assert pair.pass_time(seconds=2) == 1
    assert pair.session.state is State.INSTALLED
    pair.pass_time(days=365)
    assert pair.session.state is State.INSTALLED
    assert pair.certificate.not_valid_after_utc > pair.clock()
    return [
        f"{entry.at.isoformat()} {entry.event_id} {entry.details.get('serial_number', '')}"
        for entry in pair.journal.entries(limit=10_000)
    ]


@pytest.mark.covers("C19", "M1", "M6", "M8", "C-15", "C-30")
def test_thirty_polls_and_a_year_of_renewals() -> None:
    """Thirty polls over three days lead to a certificate, which is then renewed for a year."""
    journal = course(seed=1)
    polls = [line for line in journal if " enrollment.poll " in line]
    installed = [line for line in journal if " certificate.installed " in line]
    assert len(polls) == POLLS
    assert len(installed) == 1 + 365 // 21  # renewed at 70 % of 30 days


def test_the_same_seed_gives_the_same_course() -> None:
    """Times, serial numbers and every journal entry repeat with the seed and differ without."""
    assert course(seed=7) == course(seed=7)
    assert course(seed=7) != course(seed=8)


@pytest.mark.parametrize("profile", ["compat", "rfc8894", "ndes"])
@pytest.mark.covers("A9", "A30", "B1")
def test_every_server_profile_enrolls_and_renews(profile: str) -> None:
    """The agent enrolls and renews, with a new key, against each server profile."""
    pair = Pair(profile=profile, floor=Floor.NDES, key="")
    pair.fetch_password()
    assert pair.driver.feed(pair.session, EnrollRequested()) is State.INSTALLED
    first = pair.certificate
    pair.pass_time(days=300)
    assert pair.session.state is State.INSTALLED
    assert pair.certificate.serial_number != first.serial_number
    assert pair.certificate.subject == first.subject
    assert pair.certificate.public_key() != first.public_key()


def test_a_profile_below_the_floor_is_refused_with_cause_and_floor() -> None:
    """At the default floor the agent refuses an NDES and says which floor would allow it."""
    pair = Pair(profile="ndes", floor=Floor.MODERN)
    pair.fetch_password()
    assert pair.driver.feed(pair.session, EnrollRequested()) is State.FAILED
    failure = pair.session.machine.failure
    assert failure is not None
    assert "floor 'ndes' would allow it" in failure.reason
    assert "floor 'modern' refuses" in failure.reason
