"""What a session is told so that it ends with a certificate, at its start and after giving up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from sceplab_agent.core.events import (
    ChallengeProvided,
    EnrollRequested,
    FailureCause,
    TrustpointConfigured,
)
from sceplab_agent.core.states import State
from sceplab_agent.drivers.aio import AsyncDriver
from sceplab_agent.session import EnrollmentSession

_OWN_TROUBLE = {FailureCause.KEY_STORE, FailureCause.STORAGE, FailureCause.HANDOFF}


def events_to_enroll(
    session: EnrollmentSession, now: datetime, *, again: bool
) -> list[TrustpointConfigured | EnrollRequested | ChallengeProvided]:
    """What to feed a started session so that it ends with a certificate."""
    has_challenge = bool(session.config.challenge)
    request = EnrollRequested(has_challenge=has_challenge)
    active = session.machine.active
    is_enrolled = active is not None and now < active.not_after
    match session.state:
        case State.BLOCKED:
            unblock = TrustpointConfigured()
            return [unblock] if is_enrolled and not again else [unblock, request]
        case State.NEEDS_CHALLENGE if has_challenge:
            return [ChallengeProvided()]
        case State.CONFIGURED | State.CA_PINNED:
            return [request]
        case State.INSTALLED | State.ROLLOVER | State.FAILED | State.EXPIRED_TXN:
            return [request] if again or not is_enrolled else []
        case _:
            return []  # under way already


class Reviver:
    """Has a trustpoint enroll again that gave up for want of its key store, disk space or consumer.

    To be used as a context manager in the event loop, around the driver's service.

    Args:
        driver: serves the trustpoint.
        every_s: how long after giving up, seconds.
        clock: now, aware UTC.
    """

    __slots__ = ("_clock", "_driver", "_every_s", "_timer")

    def __init__(
        self, driver: AsyncDriver, *, every_s: float, clock: Callable[[], datetime]
    ) -> None:
        self._driver = driver
        self._every_s = every_s
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._driver.at_rest = self._arm

    def __exit__(self, *_: object) -> None:
        self._driver.at_rest = None
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        if self._timer is None and self._has_given_up():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._every_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._driver.is_idle and self._has_given_up():
            for event in events_to_enroll(self._driver.session, self._clock(), again=False):
                self._driver.post(event)

    def _has_given_up(self) -> bool:
        machine = self._driver.session.machine
        failure, active = machine.failure, machine.active
        return (
            machine.state is State.FAILED
            and failure is not None
            and failure.cause in _OWN_TROUBLE
            and not (failure.cause is FailureCause.HANDOFF and failure.is_lasting)
            # While a certificate is valid, the machine itself renews it again.
            and (active is None or active.not_after <= self._clock())
        )
