"""A change of the CA as the whole agent lives through it, under a virtual clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sceplab_agent.core.events import EnrollRequested
from sceplab_agent.core.rollover import belongs_to
from sceplab_agent.core.states import State
from sceplab_agent.core.values import TrustBasis
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
