"""Virtual time: many sessions, one thread, a heap of deadlines. Months pass in seconds.

Everything runs inline and in a fixed order, so that the same seeds give the same course.
"""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta

from sceplab_agent.core.events import DeadlineReached, Event
from sceplab_agent.core.states import State
from sceplab_agent.errors import AgentError
from sceplab_agent.exchange import Exchange, run_exchange
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import HttpTransport


class VirtualClock:
    """A clock that moves only when it is told to. Call it for the present moment.

    Args:
        start: first moment, aware UTC.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start

    def __call__(self) -> datetime:
        """The present moment, aware UTC."""
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Moves forward; an earlier moment changes nothing."""
        self._now = max(self._now, moment)


class StuckMachineError(AgentError):
    """A machine asks for the same past deadline again and again: time would stand still."""


class VirtualDriver:
    """Drives sessions that share a clock, and over their transports the same server.

    Args:
        clock: the one that every session (and the server) has.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._members: list[tuple[EnrollmentSession, HttpTransport]] = []
        self._index: dict[int, int] = {}
        self._heap: list[tuple[datetime, int]] = []

    def add(self, session: EnrollmentSession, transport: HttpTransport) -> State:
        """Takes a session in and starts it. Ties in time are served in the order of adding."""
        self._index[id(session)] = len(self._members)
        self._members.append((session, transport))
        return self._run(session, session.start())

    def feed(self, session: EnrollmentSession, event: Event) -> State:
        """Handles an event of one session now."""
        return self._run(session, session.process(event))

    def next_deadline(self) -> datetime | None:
        """The earliest deadline of all sessions."""
        while self._heap:
            moment, index = self._heap[0]
            if self._members[index][0].next_deadline() == moment:
                return moment
            heapq.heappop(self._heap)  # the session has moved on
        return None

    def step(self) -> EnrollmentSession | None:
        """Moves the clock to the earliest deadline and serves it; ``None``: there is none.

        Raises:
            StuckMachineError: the deadline did not move by being served.
        """
        moment = self.next_deadline()
        if moment is None:
            return None
        _, index = heapq.heappop(self._heap)
        session, _ = self._members[index]
        self._clock.move_to(moment)
        state = session.state
        self.feed(session, DeadlineReached())
        if session.next_deadline() == moment and session.state is state:
            raise StuckMachineError(f"{session.name} stays at {moment} in {state.value}")
        return session

    def run_until(self, moment: datetime) -> int:
        """Serves every deadline up to and including a moment, then moves the clock there.

        Returns:
            How many were served.
        """
        served = 0
        while (deadline := self.next_deadline()) is not None and deadline <= moment:
            self.step()
            served += 1
        self._clock.move_to(moment)
        return served

    def run_for(self, span: timedelta) -> int:
        """The same for a span of time from now on."""
        return self.run_until(self._clock() + span)

    def _run(self, session: EnrollmentSession, exchange: Exchange[None]) -> State:
        index = self._index[id(session)]
        run_exchange(exchange, self._members[index][1])
        deadline = session.next_deadline()
        if deadline is not None:
            heapq.heappush(self._heap, (deadline, index))
        return session.state
