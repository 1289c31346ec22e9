"""What a session is told so that it ends with a certificate, at its start and after giving up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from sceplab_agent.core.events import (
    ChallengeProvided,
    DeadlineReached,
    EnrollRequested,
    Event,
    FailureCause,
    RenewRequested,
    RetryRequested,
    TrustpointConfigured,
)
from sceplab_agent.core.model import Goal
from sceplab_agent.core.states import State
from sceplab_agent.core.values import Failure
from sceplab_agent.drivers.aio import AsyncDriver
from sceplab_agent.outcome import GIVEN_UP, RESTING, is_on_the_side
from sceplab_agent.session import EnrollmentSession

_OWN_TROUBLE = {FailureCause.KEY_STORE, FailureCause.STORAGE, FailureCause.HANDOFF}


def events_to_enroll(
    session: EnrollmentSession, now: datetime, *, again: bool, is_asked: bool = True
) -> list[Event]:
    """What to feed a started session so that it ends with a certificate.

    A valid certificate is left alone, unless the attempt to replace it failed: somebody who asks
    sees that tried again, not told again. Only a consumer that refused for good is left alone: each
    try costs a certificate.

    Args:
        session: started.
        now: current time, UTC.
        again: whether a valid certificate is replaced by a new enrollment, too.
        is_asked: whether somebody wants it; else an expired certificate is replaced only where
            the policy says so.
    """
    has_challenge = bool(session.config.challenge)
    request = EnrollRequested(has_challenge=has_challenge)
    active = session.machine.active
    is_enrolled = active is not None and now < active.not_after
    is_left = active is not None and not is_asked and not session.machine.enrolls_after_expiry
    match session.state:
        case State.BLOCKED:
            unblock = TrustpointConfigured()
            if again or not (is_enrolled or is_left):
                return [unblock, request]
            return [unblock, RenewRequested()] if is_enrolled and is_asked else [unblock]
        case State.NEEDS_CHALLENGE if has_challenge:
            return [ChallengeProvided()]
        case State.CONFIGURED | State.CA_PINNED:
            return [request]
        case State.FAILED | State.EXPIRED_TXN if is_enrolled and is_asked and not again:
            return [RenewRequested()] if _is_worth_a_try(session.machine.failure) else []
        case State.INSTALLED | State.ROLLOVER | State.FAILED | State.EXPIRED_TXN:
            return [request] if again or not (is_enrolled or is_left) else []
        case State.PENDING | State.RETRY_WAIT if is_on_the_side(session):
            return [request] if again or not (is_enrolled or is_left) else []
        case State.RETRY_WAIT if again and _is_between_renewals(session):
            return [request]
        case State.RETRY_WAIT if is_asked:
            return _now_if_it_failed(session)
        case _:
            return []  # under way already


def events_to_renew(session: EnrollmentSession) -> list[Event]:
    """What to feed a started session so that its valid certificate is replaced now.

    Nothing where it is under way already.
    """
    match session.state:
        case State.BLOCKED:
            return [TrustpointConfigured(), RenewRequested()]
        case State.PENDING | State.RETRY_WAIT if is_on_the_side(session):
            return [RenewRequested()]
        case State.RETRY_WAIT:
            return _now_if_it_failed(session)
        case state:
            return [RenewRequested()] if state in RESTING | GIVEN_UP else []


def _is_worth_a_try(failure: Failure | None) -> bool:
    """Whether there was a failure; what a consumer refused for good waits for a renewal by name."""
    if failure is None:
        return False
    return not (failure.cause is FailureCause.HANDOFF and failure.is_lasting)


def _is_between_renewals(session: EnrollmentSession) -> bool:
    """Whether a renewal failed of which no request waits for its answer."""
    machine = session.machine
    return machine.goal is Goal.RENEW and machine.transaction is None


def _now_if_it_failed(session: EnrollmentSession) -> list[Event]:
    """Ends the pause after a failure; what a restart has cut off goes on at once anyhow."""
    if session.machine.failure is None:
        return []
    return [RetryRequested(), DeadlineReached()]


class Reviver:
    """Has a trustpoint go on that gave up for want of its key store, disk space or consumer.

    One whose renewal met another CA looks again, too: a single stranger on the way to the server
    must not end all renewals. Not where the operator refused that CA.

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
            if self._driver.session.state is State.BLOCKED:
                self._driver.post(TrustpointConfigured())
                return
            for event in events_to_enroll(self._driver.session, self._clock(), again=False):
                self._driver.post(event)

    def _has_given_up(self) -> bool:
        machine = self._driver.session.machine
        failure, active = machine.failure, machine.active
        if machine.state is State.BLOCKED:
            return active is not None and failure is not None and not failure.is_lasting
        return (
            machine.state is State.FAILED
            and failure is not None
            and failure.cause in _OWN_TROUBLE
            and not (failure.cause is FailureCause.HANDOFF and failure.is_lasting)
            and (active is None or self._is_left(active.not_after))
        )

    def _is_left(self, not_after: datetime) -> bool:
        """Whether the machine itself neither renews nor replaces a certificate of that end."""
        return not_after <= self._clock() and not self._driver.session.machine.enrolls_after_expiry
