"""Notices that the wall clock was set, or that the machine slept.

Deadlines are wall-clock moments, sleeping is done by the monotonic clock. So somebody has to
compare the two: a clock set back would put the next poll years away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sceplab_agent.core.events import DeadlineReached
from sceplab_agent.drivers.aio import Errand
from sceplab_agent.drivers.pause import LONGEST_S
from sceplab_agent.exchange import Exchange
from sceplab_agent.session import EnrollmentSession

LOOK_EVERY_S = LONGEST_S
"""A jump is known after at most a minute; nothing else wakes a service at rest."""
STEP_S = 1.0
"""From this difference on, deadlines are looked at again."""
JUMP_S = 60.0
"""From this difference on, the journal of each trustpoint says so."""
JUMP_EVENT = "clock.jumped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What happened to the clocks between two looks, seconds."""

    jumped_s: float
    """The wall clock was set by this; negative: back."""
    slept_s: float
    """The machine was suspended for this long."""

    @property
    def needs_look(self) -> bool:
        """Whether deadlines have to be looked at again."""
        return abs(self.jumped_s) >= STEP_S or self.slept_s >= STEP_S

    @property
    def is_jump(self) -> bool:
        """Whether the journal should know."""
        return abs(self.jumped_s) >= JUMP_S


class ClockWatch:
    """Compares clocks each time it is asked.

    Args:
        clock: now, aware UTC.
        awake: seconds that the machine ran; stands still while it is suspended.
        elapsed: seconds that passed, suspended or not.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        awake: Callable[[], float] = time.monotonic,
        elapsed: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self._clock, self._awake, self._elapsed = clock, awake, elapsed
        self._last = self._read()

    def look(self) -> Shift:
        """What happened since the last look that found something: small steps add up."""
        then, now = self._last, self._read()
        wall_s = (now[0] - then[0]).total_seconds()
        awake_s, elapsed_s = now[1] - then[1], now[2] - then[2]
        shift = Shift(jumped_s=wall_s - elapsed_s, slept_s=max(elapsed_s - awake_s, 0.0))
        if shift.needs_look:
            self._last = now
        return shift

    def _read(self) -> tuple[datetime, float, float]:
        return self._clock(), self._awake(), self._elapsed()


def look_again(session: EnrollmentSession) -> Exchange[None]:
    """Has the machine hold its deadlines against the clock; early or late is harmless."""
    yield from session.process(DeadlineReached())


def tell_jump(shift: Shift, now: datetime) -> Errand:
    """An errand that puts the jump into the journal, then looks at the deadlines."""

    def errand(session: EnrollmentSession) -> Exchange[None]:
        details = {
            "seconds": round(shift.jumped_s),
            "state": session.state.value,
            "next_step": next_step(session, shift, now),
        }
        yield from session.note(JUMP_EVENT, details)
        yield from look_again(session)

    return errand


def next_step(session: EnrollmentSession, shift: Shift, now: datetime) -> str:
    """What a person does about a clock that was set."""
    active, name = session.machine.active, session.name
    switch_at = session.machine.switch_at
    if session.machine.shadow is not None and switch_at is not None and switch_at <= now:
        return "none if the clock is right now: the next CA takes over; if not, set it"
    if active is not None and active.not_after <= now:
        ended = f"the certificate ended at {active.not_after.isoformat()}: if the clock is right"
        if session.machine.enrolls_after_expiry:
            return f"{ended}, none: another one is enrolled for; if not, set it now"
        return f"{ended} now, run sceplab-agent enroll {name}; if not, set it"
    if active is not None and now < active.not_before:
        return (
            f"the certificate is not valid before {active.not_before.isoformat()}: set the clock; "
            "until then nothing ends by time, and polls and retries go on"
        )
    if session.machine.failure is not None and active is not None:
        return f"the certificate is valid by this clock: run sceplab-agent renew {name}"
    if shift.jumped_s < 0:
        return "none if the clock is right now: polls and retries go on; if not, set it"
    return "none if the clock is right now: what is due is done; if not, set it"
