"""One trustpoint of a running service, through every change of its configuration."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from typing import TypeVar

from sceplab_agent.core.schedule import RandomSource, longest_wait_s, wait_s
from sceplab_agent.core.states import State
from sceplab_agent.drivers.aio import AsyncDriver, Errand
from sceplab_agent.drivers.threads import run_in_thread
from sceplab_agent.drivers.wake_up import WakeUp
from sceplab_agent.errors import RequestRefusedError
from sceplab_agent.exchange import Exchange
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.pursuit import Reviver, events_to_enroll
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import AsyncHttpTransport
from sceplab_agent.trustpoint import TrustpointConfig

T = TypeVar("T")

CHANGED_EVENT = "trustpoint.changed"
REMOVED_EVENT = "trustpoint.removed"
_LONGEST_SLEEP_S = 86_400.0
"""The service's `ClockWatch` wakes everybody when the clock was set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every worker of a service shares."""

    open_session: Callable[[TrustpointConfig], EnrollmentSession | None]
    """``None``: the key store did not open; the reason was told."""
    doors: Mapping[str, asyncio.Semaphore]
    """How many trustpoints of a key store, by its URI, may be opening at once."""
    transport: AsyncHttpTransport
    clock: Callable[[], datetime]
    """Now, aware UTC."""
    rng: RandomSource
    tell: Callable[[], None]
    """Called in the loop when a key store has opened, or has not."""


class Worker:
    """Opens the trustpoint's session, serves it, and changes its configuration between exchanges.

    A changed configuration makes a new session from the journal, as a restart would: the open
    transaction, its key and its messages are all there.

    Args:
        config: the trustpoint.
        means: what it works with.
    """

    __slots__ = (
        "_changed",
        "_driver",
        "_former",
        "_is_leaving",
        "_is_pausing",
        "_means",
        "_served",
        "config",
        "session",
    )

    def __init__(self, config: TrustpointConfig, means: Means) -> None:
        self.config = config
        self.session: EnrollmentSession | None = None
        self._means = means
        self._driver: AsyncDriver | None = None
        self._former: AsyncDriver | None = None
        self._served: TrustpointConfig | None = None
        self._changed = WakeUp()
        self._is_leaving = False
        self._is_pausing = False

    async def run(self) -> None:
        """Serves the trustpoint until it is to leave, or until it is cancelled.

        Raises:
            AgentError: the journal failed.
        """
        while True:
            self._changed.clear()
            await self._serve(self.config)
            if self._is_leaving:
                if self._former is not None:
                    self._former.dismiss()
                return

    def change(self, config: TrustpointConfig) -> None:
        """Works by another configuration as soon as the exchange under way is over."""
        self.config = config
        self._is_leaving = False
        self._interrupt()

    def leave(self) -> None:
        """Ends `run` as soon as the exchange under way is over; the journal keeps everything."""
        if self._driver is not None and not self._is_leaving:
            self._driver.ask(_say_goodbye).add_done_callback(lambda _: self._go())
        else:
            self._go()
        self._is_leaving = True

    def hasten(self) -> bool:
        """Opens the key store now if it waits to be opened again; whether it does."""
        if self._is_pausing:
            self._changed.set()
        return self._is_pausing

    def ask(self, errand: Errand) -> asyncio.Future[State]:
        """See `AsyncDriver.ask`.

        Raises:
            RequestRefusedError: the trustpoint has no session.
        """
        if self._driver is None:
            raise RequestRefusedError(
                f"{self.config.name}: its key store is not open yet; see: sceplab-agent status",
                exit_code=ExitCode.KEY_STORE,
            )
        return self._driver.ask(errand)

    def _go(self) -> None:
        if self._is_leaving or self._driver is None:
            self._interrupt()

    def _interrupt(self) -> None:
        self._changed.set()
        if self._driver is not None:
            self._driver.retire()

    async def _serve(self, config: TrustpointConfig) -> None:
        session = await self._open(config)
        if session is None:
            return
        means = self._means
        driver = AsyncDriver(
            session, means.transport, clock=means.clock, longest_sleep_s=_LONGEST_SLEEP_S
        )
        self.session, self._driver = session, driver
        means.tell()
        if self._former is not None:
            driver.take_over(self._former)
        await driver.start()
        if self._served is not None and self._served != config:
            driver.ask(partial(_note_change, self._served, config))
        self._served = config
        if not self._changed.is_set():
            for event in events_to_enroll(session, means.clock(), again=False, is_asked=False):
                await driver.feed(event)
        every_s = longest_wait_s(config.policy.retry.backoff)
        with Reviver(driver, every_s=every_s, clock=means.clock):
            if self._changed.is_set():
                driver.retire()
            await driver.serve()
        self._driver, self._former = None, driver

    async def _open(self, config: TrustpointConfig) -> EnrollmentSession | None:
        """The session; ``None``: there is another configuration by now."""
        for failures in itertools.count():
            session = await self._unless_changed(self._open_in_turn(config))
            if session is not None or self._changed.is_set():
                return session
            self._means.tell()
            pause = wait_s(config.policy.retry.backoff, failures, self._means.rng)
            self._is_pausing = True
            await self._changed.wait(pause)
            self._is_pausing = False
            if self._changed.is_set():
                return None
        raise AssertionError

    async def _open_in_turn(self, config: TrustpointConfig) -> EnrollmentSession | None:
        async with self._means.doors[config.store_uri]:
            return await run_in_thread(partial(self._means.open_session, config))

    async def _unless_changed(self, work: Coroutine[None, None, T]) -> T | None:
        task = asyncio.ensure_future(work)
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait([task, changed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            if not task.done():
                task.cancel()
            (result,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(result, asyncio.CancelledError):
            return None
        if isinstance(result, BaseException):
            raise result
        return result


def _note_change(
    before: TrustpointConfig, after: TrustpointConfig, session: EnrollmentSession
) -> Exchange[None]:
    yield from session.note(CHANGED_EVENT, {"settings": changed_settings(before, after)})


def changed_settings(before: TrustpointConfig, after: TrustpointConfig) -> str:
    """Names of the fields that differ; values are left out, as some are references to secrets."""
    names = [
        item.name
        for item in fields(before)
        if item.compare
        and item.name != "policy"
        and getattr(before, item.name) != getattr(after, item.name)
    ]
    names += [
        f"policy.{item.name}"
        for item in fields(before.policy)
        if getattr(before.policy, item.name) != getattr(after.policy, item.name)
    ]
    return ", ".join(names)


def _say_goodbye(session: EnrollmentSession) -> Exchange[None]:
    transaction = session.machine.transaction
    details: Mapping[str, str | None] = {
        "state": session.state.value,
        "transaction": transaction.transaction_id if transaction else None,
        "next_step": (
            "the transaction stays open in the journal: put the trustpoint back to go on with it, "
            "or to give it up with: sceplab-agent cancel"
            if transaction
            else None
        ),
    }
    yield from session.note(REMOVED_EVENT, details)
