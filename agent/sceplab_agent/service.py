"""The agent put together from a configuration: stores, journal, sessions; enroll, renew, run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.config import AgentConfig
from sceplab_agent.core.events import (
    ChallengeProvided,
    EnrollRequested,
    FailureCause,
    RenewRequested,
    TrustpointConfigured,
)
from sceplab_agent.core.schedule import RandomSource
from sceplab_agent.core.states import State
from sceplab_agent.drivers.aio import AsyncDriver
from sceplab_agent.drivers.blocking import BlockingDriver
from sceplab_agent.errors import EnrollmentFailedError
from sceplab_agent.executor import Surroundings
from sceplab_agent.install import FileInstaller
from sceplab_agent.journal import Journal
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.key_stores import KeyStores
from sceplab_agent.observer import Observer
from sceplab_agent.outcome import GIVEN_UP, RESTING, is_settled
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.state_dir import StateDirLock
from sceplab_agent.status import holds_key
from sceplab_agent.transaction import RandomBytes
from sceplab_agent.transport import HttpTransport, ThreadedTransport
from sceplab_agent.trustpoint import TrustpointConfig


class ClosableTransport(HttpTransport, Protocol):
    """A transport whose exchanges can be broken off."""

    def close(self) -> None:
        """Breaks every exchange off and refuses further ones. Safe from any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the operating system gives; tests give something else."""

    transport: ClosableTransport
    clock: Callable[[], datetime]
    """Now, aware UTC."""
    sleep: Callable[[float], None]
    """Waits, seconds."""
    random_bytes: RandomBytes
    rng: RandomSource
    """For jitter."""
    new_transaction_id: Callable[[], str]
    observer: Observer


class AgentService:
    """The agent of one process. Use as a context manager: it holds the state directory.

    Args:
        config: which trustpoints, and where everything is.
        outside: transport, clock, chance.
    """

    def __init__(self, config: AgentConfig, outside: Outside) -> None:
        self._config = config
        self._outside = outside
        self._journal: Journal | None = None
        self._stores: KeyStores | None = None
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> AgentService:
        """Takes the state directory and opens the journal; key stores open when first needed.

        Raises:
            JournalError: another agent works there, or the journal cannot be used.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(StateDirLock(self._config.state_dir))
            self._journal = SqliteJournal.create_or_open(self._config.state_dir / FILE_NAME)
            stack.callback(self._journal.close)
            self._stores = KeyStores(now=self._outside.clock)
            stack.callback(self._stores.close)
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @property
    def journal(self) -> Journal:
        """The open journal."""
        assert self._journal is not None
        return self._journal

    def session(self, config: TrustpointConfig) -> EnrollmentSession:
        """A session of one trustpoint, from where the journal left it; not yet started.

        Raises:
            KeyStoreError: its key store does not open.
            JournalError: its snapshot is unreadable.
        """
        assert self._stores is not None
        outside = self._outside
        surroundings = Surroundings(
            # A store that vanished is not made anew under certificates that need it.
            store=self._stores.open(
                config, create=not holds_key(self.journal.snapshot(config.name))
            ),
            journal=self.journal,
            installer=FileInstaller(self._config.state_dir),
            challenge=ChallengeSource.from_reference(
                config.challenge, prompt=f"Challenge password for {config.name}: "
            ),
            random_bytes=outside.random_bytes,
            clock=outside.clock,
            observer=outside.observer,
        )
        return EnrollmentSession(
            config,
            surroundings,
            rng=outside.rng,
            new_transaction_id=outside.new_transaction_id,
        )

    def enroll(
        self, configs: Sequence[TrustpointConfig], *, wait: bool, again: bool
    ) -> list[EnrollmentSession]:
        """Enrolls trustpoints that have no valid certificate; goes on with what was cut off.

        Args:
            configs: which.
            wait: through PENDING and through pauses after failures that may pass.
            again: also those with a valid certificate.

        Returns:
            The sessions, at rest or (without ``wait``) where they have to wait.
        """
        drivers = [self._driver(config) for config in configs]
        for driver in drivers:
            driver.start()
            self._pursue_enrollment(driver, again=again)
        return self._wait_for(drivers, wait=wait)

    def renew(self, configs: Sequence[TrustpointConfig], *, wait: bool) -> list[EnrollmentSession]:
        """Renews certificates now.

        Raises:
            EnrollmentFailedError: a trustpoint has no valid certificate; nothing was begun.
        """
        drivers = [self._driver(config) for config in configs]
        for driver in drivers:
            driver.start()
            active = driver.session.machine.active
            if active is None or active.not_after <= self._outside.clock():
                raise EnrollmentFailedError(
                    driver.session.name,
                    FailureCause.CONFIGURATION,
                    "there is no valid certificate to renew; run: sceplab-agent enroll",
                )
        for driver in drivers:
            if driver.session.state is State.BLOCKED:
                driver.feed(TrustpointConfigured())
            if driver.session.state in RESTING | GIVEN_UP:
                driver.feed(RenewRequested())
        return self._wait_for(drivers, wait=wait)

    async def run(
        self, configs: Sequence[TrustpointConfig], stop: asyncio.Event
    ) -> list[EnrollmentSession]:
        """Enrolls, polls and renews until ``stop`` is set.

        Raises:
            AgentError: the journal failed; every trustpoint was stopped.
        """
        sessions = [await asyncio.to_thread(self.session, config) for config in configs]
        transport = ThreadedTransport(self._outside.transport)
        tasks = [
            asyncio.create_task(self._serve(session, transport), name=session.name)
            for session in sessions
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopping, *tasks):
                task.cancel()
            # After the cancellation, so that no session takes the break for a server's fault.
            self._outside.transport.close()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(transport.close)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return sessions

    async def _serve(self, session: EnrollmentSession, transport: ThreadedTransport) -> None:
        driver = AsyncDriver(session, transport, clock=self._outside.clock)
        await driver.start()
        for event in _events_to_enroll(session, self._outside.clock(), again=False):
            await driver.feed(event)
        await driver.serve()

    def _driver(self, config: TrustpointConfig) -> BlockingDriver:
        return BlockingDriver(
            self.session(config),
            self._outside.transport,
            clock=self._outside.clock,
            sleep=self._outside.sleep,
        )

    def _pursue_enrollment(self, driver: BlockingDriver, *, again: bool) -> None:
        for event in _events_to_enroll(driver.session, self._outside.clock(), again=again):
            driver.feed(event)

    def _wait_for(
        self, drivers: Sequence[BlockingDriver], *, wait: bool
    ) -> list[EnrollmentSession]:
        """Serves the earliest deadline of all sessions until every one has reached its end."""
        while wait:
            waiting = [
                (deadline, number)
                for number, driver in enumerate(drivers)
                if not is_settled(driver.session)
                and (deadline := driver.session.next_deadline()) is not None
            ]
            if not waiting:
                break
            drivers[min(waiting)[1]].step()
        return [driver.session for driver in drivers]


def _events_to_enroll(
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
        case State.INSTALLED | State.FAILED | State.EXPIRED_TXN:
            return [request] if again or not is_enrolled else []
        case _:
            return []  # under way already
