"""The asyncio driver: many trustpoints in one event loop.

Cryptography, journal and key store run in threads next to the loop, HTTP over whatever asynchronous
transport is given (`ThreadedTransport` wraps the blocking one).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from sceplab_agent.core.events import DeadlineReached, Event
from sceplab_agent.core.states import State
from sceplab_agent.drivers.pause import LONGEST_S, Pause
from sceplab_agent.drivers.threads import completed, in_thread
from sceplab_agent.exchange import Answer, Exchange, Finished, HttpRequest, advance, ask_async
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import AsyncHttpTransport

T = TypeVar("T")


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
        self._transport = transport
        self._offload = offload
        self._pause = Pause(clock, longest_sleep_s)
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._turn = asyncio.Lock()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way and nothing waits to be handled."""
        return not self._turn.locked() and self._events.empty()

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
        self._events.put_nowait(event)

    def wake(self) -> None:
        """Has `serve` look at the clock again, for example when a lab clock was moved."""
        self._events.put_nowait(None)

    async def serve(self) -> None:
        """Serves posted events and deadlines until it is cancelled."""
        while True:
            event = await self._next_event()
            if event is not None:
                await self.feed(event)

    async def _next_event(self) -> Event | None:
        deadline = self.session.next_deadline()
        seconds = self._pause.seconds(deadline)
        if self._events.empty() and seconds == 0:
            self._pause.serve(deadline)
            return DeadlineReached()
        try:
            async with asyncio.timeout(seconds):
                return await self._events.get()
        except TimeoutError:
            return None

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
