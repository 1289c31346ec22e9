"""A trustpoint that gave up is looked at again after a pause, where that can help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from sceplab_agent.core import events as ev
from sceplab_agent.core.policy import RetryPolicy, UnpinnedCa
from sceplab_agent.core.states import State
from sceplab_agent.drivers.aio import AsyncDriver
from sceplab_agent.pursuit import Reviver
from tests.support.core import OTHER_PKI, REJECTED, UNREACHABLE, Stage, policy

ONCE = RetryPolicy(max_attempts=1)
STORE_AWAY = ev.KeyFailed(reason="the token is not there", is_retryable=True)
LOOK = ev.TrustpointConfigured()
ENROLL = ev.EnrollRequested(has_challenge=True)


@dataclass
class RestingDriver:
    """A driver with nothing to do, which notes what it is told."""

    session: SimpleNamespace
    is_idle: bool
    at_rest: Callable[[], None] | None = None
    posted: list[object] = field(default_factory=list)

    def post(self, event: object) -> None:
        """Notes an event."""
        self.posted.append(event)


def after_a_pause(stage: Stage, *, is_idle: bool = True) -> list[object]:
    """What the machine on the stage is told some time after it came to rest."""
    config = SimpleNamespace(challenge="at hand")
    session = SimpleNamespace(machine=stage.machine, state=stage.state, config=config)
    driver = RestingDriver(session, is_idle)

    async def rest() -> None:
        with Reviver(cast("AsyncDriver", driver), every_s=0, clock=lambda: stage.now):
            assert driver.at_rest is not None
            driver.at_rest()
            for _ in range(3):  # turns of the loop: its timer has no delay here
                await asyncio.sleep(0)

    asyncio.run(rest())
    return driver.posted


def after_meeting_another_ca() -> Stage:
    """An enrolled device whose renewal met another CA."""
    stage = Stage().to_installed()
    stage.wake()
    stage.ca_received(OTHER_PKI)
    return stage


def without_key_store(**changes: object) -> Stage:
    """A device whose first enrollment was given up because its key store was not there."""
    stage = Stage(policy=policy(retry=ONCE, **changes)).to_pinned()
    stage.give(ENROLL)
    stage.ca_received()
    stage.give(STORE_AWAY)
    return stage


def test_a_renewal_that_met_another_ca_looks_again() -> None:
    """A single stranger on the way to the server does not end all renewals."""
    stage = after_meeting_another_ca()
    assert stage.state is State.BLOCKED
    assert after_a_pause(stage) == [LOOK]


def test_a_ca_that_the_operator_refused_stays_refused() -> None:
    """The operator's word counts until the operator takes it back."""
    stage = Stage().to_installed()
    stage.machine.set_policy(policy(pin=None, unpinned_ca=UnpinnedCa.ASK))
    stage.give(ev.AuthenticateRequested())
    stage.ca_received(OTHER_PKI)
    stage.give(ev.AuthenticateRequested())
    stage.give(UNREACHABLE)
    stage.wake()
    stage.ca_received()
    stage.give(ev.CaRefused())
    assert stage.state is State.BLOCKED
    assert after_a_pause(stage) == []


def test_a_first_enrollment_that_met_another_ca_waits_for_the_operator() -> None:
    """No certificate is at stake yet, and the pin may be the mistake."""
    stage = Stage()
    stage.give(LOOK)
    stage.give(ENROLL)
    stage.ca_received(OTHER_PKI)
    assert stage.state is State.BLOCKED
    assert after_a_pause(stage) == []


def test_a_key_store_that_was_away_is_asked_again() -> None:
    """What was wrong with the device itself may be gone; a refusal by the CA is not asked for."""
    stage = without_key_store()
    assert stage.state is State.FAILED
    assert after_a_pause(stage) == [ENROLL]
    refused = Stage().to_sent()
    refused.give(REJECTED)
    assert refused.state is State.FAILED
    assert after_a_pause(refused) == []


def test_an_idle_driver_alone_is_told() -> None:
    """Where the operator began something in the pause, that goes on instead."""
    assert after_a_pause(without_key_store(), is_idle=False) == []
