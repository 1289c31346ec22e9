"""The blocking driver: one trustpoint, one thread, `http.client` or whatever transport is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from sceplab_agent.core.events import DeadlineReached, Event
from sceplab_agent.core.states import State
from sceplab_agent.drivers.pause import LONGEST_S, Pause
from sceplab_agent.exchange import Exchange, run_exchange
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import HttpTransport


class BlockingDriver:
    """Drives one session.

    An exception out of any method (`KeyboardInterrupt` too) ends the session; a new one made from
    the same journal goes on.

    Args:
        session: not shared with another driver.
        transport: carries its HTTP requests.
        clock: now, aware UTC; the one the session has.
        sleep: waits the given seconds.
        longest_sleep_s: clocks jump; nothing sleeps longer than this in one go.
    """

    def __init__(
        self,
        session: EnrollmentSession,
        transport: HttpTransport,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
        longest_sleep_s: float = LONGEST_S,
    ) -> None:
        self.session = session
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._pause = Pause(clock, longest_sleep_s)

    def start(self) -> State:
        """Sets a new trustpoint up, or resumes a stored one."""
        return self._run(self.session.start())

    def feed(self, event: Event) -> State:
        """Handles an event and everything that follows without waiting."""
        return self._run(self.session.process(event))

    def run_until(
        self, is_done: Callable[[EnrollmentSession], bool], *, until: datetime | None = None
    ) -> State:
        """Serves deadlines until the goal is reached.

        Args:
            is_done: looks at the session between two steps.
            until: give up at this moment; ``None``: never.

        Returns:
            The state when the goal is reached, when ``until`` has come, or when nothing will
            happen any more by itself.
        """
        while not is_done(self.session):
            if until is not None and self._clock() >= until:
                break
            if not self.step():
                break
        return self.session.state

    def step(self) -> bool:
        """Sleeps towards the next deadline, or serves it; false when there is none."""
        deadline = self.session.next_deadline()
        if deadline is None:
            return False
        seconds = self._pause.seconds(deadline)
        if seconds > 0:
            self._sleep(seconds)
        else:
            self._pause.serve(deadline)
            self.feed(DeadlineReached())
        return True

    def _run(self, exchange: Exchange[None]) -> State:
        run_exchange(exchange, self._transport)
        return self.session.state
