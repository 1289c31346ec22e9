"""A change of the CA as the whole agent lives through it, under a virtual clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sceplab_agent.cli_output import format_status
from sceplab_agent.core.events import CaAccepted, EnrollRequested
from sceplab_agent.core.policy import RolloverMode, RolloverPolicy
from sceplab_agent.core.rollover import belongs_to
from sceplab_agent.core.states import State
from sceplab_agent.core.values import TrustBasis
from sceplab_agent.drivers.virtual import VirtualDriver
from sceplab_agent.status import TrustpointStatus, read_status
from sceplab_ndes.hierarchy import CaPlan
from tests.support.pair import Pair

LIFE = 200
"""Days of the first CA."""
SWITCH = 170
"""Day of the server's switch."""


def site(profile: str = "compat", ra: Any = "split", **policy: Any) -> Pair:
    """An enrolled device, and a server whose CA is to be followed by another."""
    plan = CaPlan(ca_lifetime_days=LIFE, ra_lifetime_days=LIFE, ra=ra)
    pair = Pair(profile=profile, plan=plan, policy=policy)
    pair.fetch_password()
    pair.driver.feed(pair.session, EnrollRequested())
    pair.pass_time(hours=1)
    pair.approve_all()
    pair.pass_time(days=1)
    assert pair.session.state is State.INSTALLED
    return pair


def entries(pair: Pair) -> list[str]:
    """Ids of the journal, in order."""
    return [entry.event_id for entry in pair.journal.entries("lab")]


def is_of_the_current_ca(pair: Pair) -> bool:
    """Whether the certificate in use chains to the CA that is trusted."""
    machine = pair.session.machine
    assert machine.active is not None
    assert machine.ca is not None
    return belongs_to(machine.active.certificate_der, machine.ca, machine.policy)


@pytest.mark.covers("C-31")
@pytest.mark.parametrize(("profile", "ra"), [("compat", "split"), ("rfc8894", "none")])
def test_a_device_follows_its_ca(profile: str, ra: str) -> None:
    """Asked for, verified, switched; renewed with the new CA under a pin of the old one."""
    pair = site(profile, ra)
    before = pair.session.machine.ca
    assert before is not None
    pair.server.rollover(pair.clock() + timedelta(days=SWITCH), pair.clock())
    pair.pass_time(days=LIFE + 150)
    machine = pair.session.machine
    ids = entries(pair)
    assert {"rollover.known", "rollover.resting", "rollover.switched"} <= set(ids)
    assert ids.count("rollover.switched") == 1
    assert machine.ca is not None
    assert machine.ca.anchor_der != before.anchor_der
    assert machine.ca.basis is TrustBasis.SUCCESSION
    assert machine.state is State.INSTALLED
    assert is_of_the_current_ca(pair)
    assert pair.certificate.not_valid_after_utc > pair.clock()


@pytest.mark.covers("C-31")
def test_a_device_that_asks_waits_for_its_operator() -> None:
    """Nothing is switched unasked, renewals go on; with consent the next renewal switches."""
    pair = site(rollover=RolloverPolicy(mode=RolloverMode.ASK))
    pair.server.rollover(pair.clock() + timedelta(days=SWITCH), pair.clock())
    pair.pass_time(days=SWITCH + 20)
    machine = pair.session.machine
    assert machine.state is State.ROLLOVER
    assert "rollover.switched" not in entries(pair)
    asked = machine.candidate
    assert asked is not None
    assert machine.next_ca is not None
    assert asked.anchor_der == machine.next_ca.ca.anchor_der
    pair.driver.feed(pair.session, CaAccepted())
    pair.pass_time(days=60)
    assert machine.state is State.INSTALLED
    assert is_of_the_current_ca(pair)
    assert entries(pair).count("rollover.accepted") == 1


@pytest.mark.parametrize("event_id", ["rollover.known", "rollover.switched"])
def test_a_new_process_goes_on(event_id: str) -> None:
    """Restarted the day after either step, the agent ends with a certificate of the new CA."""
    pair = site()
    pair.server.rollover(pair.clock() + timedelta(days=SWITCH), pair.clock())
    while event_id not in entries(pair):
        pair.pass_time(days=1)
    pair.session = pair.new_session()
    pair.driver = VirtualDriver(pair.clock)
    pair.driver.add(pair.session, pair.transport)
    pair.pass_time(days=60)
    assert is_of_the_current_ca(pair)
    assert entries(pair).count("rollover.switched") == 1


def test_the_status_names_the_next_ca() -> None:
    """Its fingerprint, the switch, and that it waits; later the reason it is trusted for."""
    pair = site(rollover=RolloverPolicy(mode=RolloverMode.ASK))
    pair.server.rollover(pair.clock() + timedelta(days=SWITCH), pair.clock())
    pair.pass_time(days=165)
    (status,) = read_status([pair.config()], pair.journal, state_dir=None)
    assert status.state is State.ROLLOVER
    assert status.next_ca_sha256 == status.asked_sha256 != status.ca_sha256
    assert status.next_ca_consent == "none"
    text = format_status(status)
    assert f"{status.next_ca_sha256} (waits for approval; switch by " in text
    assert TrustpointStatus.from_json(status.to_json()) == status
    pair.driver.feed(pair.session, CaAccepted())
    pair.pass_time(days=100)
    (later,) = read_status([pair.config()], pair.journal, state_dir=None)
    assert (later.ca_basis, later.next_ca_sha256) == ("succession", "")
    assert later.ca_sha256 == status.next_ca_sha256


def test_without_the_operation_nobody_is_asked_for_an_answer() -> None:
    """A server that does not list GetNextCACert is not asked; the check is repeated daily."""
    pair = site()
    pair.pass_time(days=162)
    assert set(entries(pair)) & {"rollover.known", "rollover.refused"} == set()
    assert entries(pair).count("rollover.none") >= 1
