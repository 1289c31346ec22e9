"""The asyncio driver: many trustpoints in one event loop.

Cryptography, journal and key store run in threads next to the loop, HTTP over whatever asynchronous
transport is given (`ThreadedTransport` wraps the blocking one).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.events import DeadlineReached, Event
from sceplab_agent.core.states import State
from sceplab_agent.drivers.pause import LONGEST_S, Pause
from sceplab_agent.drivers.threads import completed, in_thread
from sceplab_agent.drivers.wake_up import WakeUp
from sceplab_agent.errors import RequestRefusedError
from sceplab_agent.exchange import Answer, Exchange, Finished, HttpRequest, advance, ask_async
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import AsyncHttpTransport

T = TypeVar("T")

Errand = Callable[[EnrollmentSession], Exchange[None]]
"""What somebody outside wants done with the session between two of its own steps."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """An errand under way to `AsyncDriver.serve`, and who waits for it."""

    errand: Errand
    answer: asyncio.Future[State]


class Offload(Protocol):
    """Runs a function that blocks for a short while; in a thread of its own by default."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """The function's result."""


async def run_inline(function: Callable[[], T], /) -> T:
    """Runs the function in the loop's own thread, for virtual time and for tests."""
    return function()


class AsyncDriver:
    """Drives one session among many in a loop.

    A cancelled call ends the session (a new one made from the same journal goes on), after the
    step that was under way in a thread has come to its end or hung for `GRACE_S`; a request on the
    network is abandoned.

    Args:
        session: not shared with another driver.
        transport: carries its HTTP requests.
        clock: now, aware UTC; the one the session has.
        offload: where the session's own work runs.
        longest_sleep_s: clocks jump; nothing sleeps longer than this in one go.
    """

    __slots__ = (
        "_arrived",
        "_events",
        "_is_retired",
        "_offload",
        "_pause",
        "_transport",
        "_turn",
        "at_rest",
        "session",
    )

    def __init__(
        self,
        session: EnrollmentSession,
        transport: AsyncHttpTransport,
        *,
        clock: Callable[[], datetime],
        offload: Offload = in_thread,
        longest_sleep_s: float = LONGEST_S,
    ) -> None:
        self.session = session
        self.at_rest: Callable[[], None] | None = None
        """Called in the loop each time `serve` begins to wait."""
        self._transport = transport
        self._offload = offload
        self._pause = Pause(clock, longest_sleep_s)
        # An empty asyncio.Queue takes 2 KiB, and a service has a thousand drivers.
        self._events: list[Event | _Asked | None] = []
        self._arrived = WakeUp()
        self._turn = asyncio.Lock()
        self._is_retired = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way and nothing waits to be handled."""
        return not self._turn.locked() and not self._events

    async def start(self) -> State:
        """Sets a new trustpoint up, or resumes a stored one."""
        async with self._turn:
            return await self._run(self.session.start())

    async def feed(self, event: Event) -> State:
        """Handles an event and everything that follows without waiting for a deadline."""
        async with self._turn:
            return await self._run(self.session.process(event))

    def post(self, event: Event) -> None:
        """Has `serve` handle the event when it is free. To be called in the loop's thread."""
        self._put(event)

    def ask(self, errand: Errand) -> asyncio.Future[State]:
        """Has `serve` run an errand when it is free. To be called in the loop's thread.

        Returns:
            The state afterwards, or the errand's `IllegalEventError` or `RequestRefusedError`; the
            session goes on after these. Cancelling it does not stop the errand.
        """
        answer: asyncio.Future[State] = asyncio.get_running_loop().create_future()
        self._put(_Asked(errand, answer))
        return answer

    def wake(self) -> None:
        """Has `serve` look at the clock again, for example when a lab clock was moved."""
        self._put(None)

    def retire(self) -> None:
        """Has `serve` return once the exchange under way is over; nothing new is begun."""
        self._is_retired = True
        self.wake()

    def take_over(self, other: AsyncDriver) -> None:
        """Takes what another driver was asked for and did not get to."""
        while other._events:
            self._put(other._events.pop(0))

    def dismiss(self) -> None:
        """Cancels what it was asked for and did not get to."""
        while self._events:
            item = self._events.pop(0)
            if isinstance(item, _Asked):
                item.answer.cancel()

    async def serve(self) -> None:
        """Serves posted events and deadlines until it is cancelled or retired."""
        while not self._is_retired:
            item = await self._next_event()
            if item is not None:
                async with self._turn:
                    await self._take(item)

    async def _take(self, item: Event | _Asked) -> None:
        if self._is_retired:
            self._put(item)  # for who takes over
        elif isinstance(item, _Asked):
            await self._answer(item)
        else:
            await self._run(self.session.process(item))

    async def _answer(self, asked: _Asked) -> None:
        answer = asked.answer
        try:
            state = await self._run(asked.errand(self.session))
        except (IllegalEventError, RequestRefusedError) as error:
            if not answer.done():
                answer.set_exception(error)
        except BaseException as error:
            if not answer.done():
                answer.cancel(str(error))
            raise
        else:
            if not answer.done():
                answer.set_result(state)

    def _put(self, item: Event | _Asked | None) -> None:
        self._events.append(item)
        self._arrived.set()

    async def _next_event(self) -> Event | _Asked | None:
        deadline = self.session.next_deadline()
        seconds = self._pause.seconds(deadline)
        if not self._events:
            if seconds == 0:
                self._pause.serve(deadline)
                return DeadlineReached()
            self._arrived.clear()
            if self.at_rest is not None:
                self.at_rest()
            await self._arrived.wait(seconds)
        return self._events.pop(0) if self._events else None

    async def _run(self, exchange: Exchange[None]) -> State:
        answer: Answer = None
        while True:
            step = await self._advance(exchange, answer)
            if isinstance(step, Finished):
                return self.session.state
            try:
                answer = await ask_async(self._transport, step)
            except asyncio.CancelledError:
                exchange.close()
                raise

    async def _advance(
        self, exchange: Exchange[None], answer: Answer
    ) -> HttpRequest | Finished[None]:
        try:
            return await completed(self._offload(partial(advance, exchange, answer)))
        except asyncio.CancelledError:
            # It still runs where a call in it hangs: in a thread that was left behind.
            if inspect.getgeneratorstate(exchange) != inspect.GEN_RUNNING:
                exchange.close()
            raise
