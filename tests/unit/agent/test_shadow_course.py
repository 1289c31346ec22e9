"""The next CA's certificate as the whole agent lives through it, under a virtual clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sceplab_agent.cli_output import format_status
from sceplab_agent.core.events import EnrollmentCancelled, EnrollRequested, RenewRequested
from sceplab_agent.core.model import Goal
from sceplab_agent.core.policy import RolloverPolicy
from sceplab_agent.core.rollover import belongs_to, ends_at
from sceplab_agent.core.states import State
from sceplab_agent.daemon.clock_watch import Shift, next_step
from sceplab_agent.daemon.metrics import agent_families, write_metrics
from sceplab_agent.daemon.tally import Tally
from sceplab_agent.drivers.virtual import VirtualDriver
from sceplab_agent.key_claims import SHADOW_KEY, KeyClaims
from sceplab_agent.outcome import is_settled, raise_for_outcome
from sceplab_agent.pursuit import events_to_enroll
from sceplab_agent.status import TrustpointStatus, read_status
from sceplab_agent.transport import HttpResponse, HttpTransport
from sceplab_ndes.hierarchy import CaPlan
from tests.support.pair import Pair
from tests.support.soft_stores import soft_store

LIFE = 200
"""Days of the first CA."""
SWITCH = 170
"""Day of the server's switch."""


@dataclass
class CountingTransport:
    """Counts what goes to the server."""

    inner: HttpTransport
    asked: list[str] = field(default_factory=list)

    def request(self, method: str, url: str, **options: Any) -> HttpResponse:
        """See `HttpTransport.request`."""
        self.asked.append(url)
        return self.inner.request(method, url, **options)


def site(switch: float = SWITCH, *, from_switch: bool = False, **options: Any) -> Pair:
    """An enrolled device, and a server whose CA is followed by another."""
    plan = CaPlan(ca_lifetime_days=LIFE, ra_lifetime_days=LIFE)
    pair = Pair(plan=plan, **options)
    pair.fetch_password()
    pair.driver.feed(pair.session, EnrollRequested())
    pair.pass_time(days=1)
    assert pair.session.state is State.INSTALLED
    moment = pair.clock() + timedelta(days=switch)
    pair.server.rollover(moment, pair.clock(), is_valid_before=not from_switch)
    return pair


def entries(pair: Pair) -> list[str]:
    """Ids of the journal, in order."""
    found, after = [], 0
    while page := pair.journal.entries("lab", after=after):
        after = page[-1].seq
        found += [entry.event_id for entry in page]
    return found


def wait_for(pair: Pair, event_id: str) -> None:
    """Lets days pass until the journal has the entry."""
    for _ in range(LIFE):
        if event_id in entries(pair):
            return
        approve_current(pair)
        pair.pass_time(days=1)
    pytest.fail(f"no {event_id}: {entries(pair)}")


def approve_current(pair: Pair) -> None:
    """The administrator of the CA that is the current one approves; that of the next one sleeps."""
    current = pair.server.generations.current(pair.clock()).number
    for request in pair.server.administration.pending():
        if request.generation == current:
            pair.server.administration.approve(request.request_id, pair.clock())


def is_of_the_current_ca(pair: Pair) -> bool:
    """Whether the certificate in use chains to the CA that is trusted."""
    machine = pair.session.machine
    assert machine.active is not None
    assert machine.ca is not None
    return belongs_to(machine.active.certificate_der, machine.ca, machine.policy)


@pytest.mark.covers("C-31")
@pytest.mark.parametrize("from_switch", [False, True])
def test_the_switch_happens_without_the_server(tmp_path: Path, *, from_switch: bool) -> None:
    """Kept for weeks; at the moment installed and handed over, nothing sent; one key left."""
    store = soft_store(tmp_path / "keys")
    last_hour = LIFE - 1 - 2 / 24
    switch = last_hour if from_switch else SWITCH
    pair = site(switch, from_switch=from_switch, store=store, key="", policy={"hands_over": True})
    wait_for(pair, "rollover.shadow-ready")
    machine = pair.session.machine
    before, kept, moment = machine.active, machine.shadow, machine.switch_at
    assert machine.ca is not None
    assert machine.next_ca is not None
    old, following = machine.ca, machine.next_ca.ca
    assert before is not None
    assert kept is not None
    assert moment is not None
    assert len(store.list_keys()) == 2
    pair.driver.run_until(moment - timedelta(seconds=1))
    assert machine.active == before
    transport = CountingTransport(pair.transport)
    pair.driver = VirtualDriver(pair.clock)
    pair.driver.add(pair.session, transport)
    seen = len(pair.diary.states)
    pair.pass_time(seconds=2)
    assert pair.diary.states[seen:] == [
        State.ISSUED_UNVERIFIED,
        State.HANDING_OVER,
        State.INSTALLED,
    ]
    assert transport.asked == []
    assert machine.active is not None
    assert machine.active.certificate_der == kept.transaction.issued_der
    assert belongs_to(machine.active.certificate_der, following, machine.policy)
    assert not belongs_to(machine.active.certificate_der, old, machine.policy)
    assert [info.key_id for info in store.list_keys()] == [kept.key.key_id]
    assert pair.installer.installed["lab"].certificate_der == kept.transaction.issued_der
    pair.pass_time(days=100)
    assert machine.state is State.INSTALLED
    assert is_of_the_current_ca(pair)
    assert entries(pair).count("rollover.switched") == 1
    assert State.FAILED not in pair.diary.states


def test_the_switch_is_as_early_as_the_policy_says() -> None:
    """Time for a consumer that fails at first: ten days before the end, not an hour."""
    early = RolloverPolicy(switch_before_s=timedelta(days=10).total_seconds())
    pair = site(LIFE - 1.5, policy={"rollover": early})
    wait_for(pair, "rollover.shadow-ready")
    assert pair.session.machine.ca is not None
    moment = ends_at(pair.session.machine.ca) - timedelta(days=10)
    pair.driver.run_until(moment - timedelta(seconds=1))
    assert "rollover.switched" not in entries(pair)
    pair.pass_time(seconds=2)
    assert "rollover.switched" in entries(pair)
    assert is_of_the_current_ca(pair)
    pair.pass_time(days=100)
    assert is_of_the_current_ca(pair)
    assert State.FAILED not in pair.diary.states


def test_a_server_that_refuses_is_left_at_the_switch_by_a_renewal() -> None:
    """Asked with growing pauses; the renewals and the switch go as without a kept certificate."""
    settings = {"capabilities": {"next_ca_issues": False}}
    pair = site(LIFE - 1.5, settings=settings)
    pair.pass_time(days=LIFE + 100)
    ids = entries(pair)
    assert 2 <= ids.count("rollover.shadow-failed") <= 60
    assert "rollover.switched" in ids
    assert is_of_the_current_ca(pair)
    assert State.FAILED not in pair.diary.states


def test_an_approval_that_does_not_come_ends_with_a_renewal() -> None:
    """The next CA's administrator sleeps until the switch; the device is never without."""
    settings = {"template": {"renewal_approval": "manual"}}
    pair = site(LIFE - 1.5, settings=settings)
    for hours in (*[24.0] * (LIFE - 4), *[0.25] * 400):
        approve_current(pair)
        pair.pass_time(hours=hours)
    ids = entries(pair)
    assert "rollover.shadow-failed" in ids
    assert "rollover.shadow-ready" not in ids
    assert is_of_the_current_ca(pair)
    assert pair.certificate.not_valid_after_utc > pair.clock()
    assert "certificate.expired" not in ids


@pytest.mark.parametrize(
    "event_id", ["rollover.shadow-due", "rollover.shadow-ready", "rollover.unchanged"]
)
def test_a_new_process_goes_on(event_id: str) -> None:
    """Restarted the day after, the agent switches with one transaction and one certificate."""
    pair = site()
    wait_for(pair, event_id)
    pair.session = pair.new_session()
    pair.driver = VirtualDriver(pair.clock)
    pair.driver.add(pair.session, pair.transport)
    pair.pass_time(days=LIFE - 140)
    assert is_of_the_current_ca(pair)
    ids = entries(pair)
    assert ids.count("rollover.switched") == ids.count("rollover.shadow-ready") == 1


def test_an_agent_that_was_off_over_the_end_uses_what_it_kept() -> None:
    """Started after its certificate has ended, without a challenge password: nothing is sent."""
    pair = site()
    wait_for(pair, "rollover.shadow-ready")
    kept, active = pair.session.machine.shadow, pair.session.machine.active
    assert kept is not None
    assert active is not None
    pair.clock.move_to(active.not_after + timedelta(days=1))
    pair.challenge = None
    pair.session = pair.new_session()
    pair.driver = VirtualDriver(pair.clock)
    transport = CountingTransport(pair.transport)
    pair.driver.add(pair.session, transport)
    for event in events_to_enroll(pair.session, pair.clock(), again=False, is_asked=False):
        pair.driver.feed(pair.session, event)
    assert pair.session.machine.active is not None
    assert pair.session.machine.active.certificate_der == kept.transaction.issued_der
    assert transport.asked == []


def test_the_status_says_what_is_kept() -> None:
    """When it is asked for, then what it is; its key has an owner; cancelled, it is gone."""
    pair = site()
    wait_for(pair, "rollover.known")
    (status,) = read_status([pair.config()], pair.journal, state_dir=None)
    assert status.shadow == "planned"
    assert "shadow       asked for at " in format_status(status)
    wait_for(pair, "rollover.shadow-ready")
    (status,) = read_status([pair.config()], pair.journal, state_dir=None)
    assert status.shadow == "ready"
    assert status.shadow_sha256 not in ("", status.certificate_sha256)
    assert status.renewal_at == status.switch_at
    assert f"shadow       ready, {status.shadow_sha256} (" in format_status(status)
    now = pair.clock()
    families = agent_families([status], Tally(), now=now, started_at=now)
    text = write_metrics(families)
    assert 'sceplab_rollover_shadow_ready{trustpoint="lab"} 1' in text
    assert status.switch_at is not None
    left_s = (status.switch_at - now).total_seconds()
    assert f'sceplab_rollover_switch_seconds{{trustpoint="lab"}} {left_s:.0f}' in text
    assert TrustpointStatus.from_json(status.to_json()) == status
    kept = pair.session.machine.shadow
    assert kept is not None
    claim = KeyClaims(pair.journal).find(kept.key.public_key_der)
    assert claim is not None
    assert (claim.role, claim.key_id, claim.is_owned) == (SHADOW_KEY, kept.key.key_id, True)
    pair.driver.feed(pair.session, EnrollmentCancelled())
    (status,) = read_status([pair.config()], pair.journal, state_dir=None)
    assert status.shadow == "planned"
    assert status.shadow_failure == "the operator gave it up"
    assert KeyClaims(pair.journal).find(kept.key.public_key_der) is None


def test_a_jump_over_the_switch_is_told_for_what_it_does() -> None:
    """A clock that is set beyond the switch: what happens, and what to do if it is wrong."""
    pair = site()
    wait_for(pair, "rollover.shadow-ready")
    shift = Shift(jumped_s=30 * 86_400.0, slept_s=0.0)
    later = pair.clock() + timedelta(days=60)
    assert "the next CA takes over; if not, set it" in next_step(pair.session, shift, later)
    assert "takes over" not in next_step(pair.session, shift, pair.clock())


def test_a_pending_request_is_on_the_side() -> None:
    """Who waits for a certificate has one; `renew` begins at once, with the current CA."""
    pair = site(settings={"template": {"renewal_approval": "manual"}})
    wait_for(pair, "rollover.shadow-due")
    session = pair.session
    assert (session.state, session.machine.goal) == (State.PENDING, Goal.ROLLOVER)
    assert is_settled(session)
    raise_for_outcome(session)
    (status,) = read_status([pair.config()], pair.journal, state_dir=None)
    assert "shadow       is being asked for" in format_status(status)
    pair.driver.feed(session, RenewRequested())
    assert (session.state, session.machine.goal) == (State.PENDING, Goal.RENEW)
    assert not is_settled(session)


def test_a_kept_certificate_begins_no_earlier_than_its_ca() -> None:
    """A next CA from the switch on: nothing of it is in force while the current one lives."""
    pair = site(LIFE - 1 - 2 / 24, from_switch=True)
    wait_for(pair, "rollover.shadow-ready")
    machine = pair.session.machine
    assert machine.ca is not None
    assert machine.shadow is not None
    assert machine.switch_at is not None
    assert machine.shadow.not_before <= machine.switch_at
    assert machine.shadow.not_before > pair.clock()
    assert machine.switch_at <= ends_at(machine.ca)
