"""The agent put together from a configuration: stores, journal, sessions; enroll, renew, cancel."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.config import AgentConfig
from sceplab_agent.config_view import mask_uri
from sceplab_agent.core.commands import Notify, Record
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.events import (
    EnrollmentCancelled,
    FailureCause,
)
from sceplab_agent.core.schedule import RandomSource
from sceplab_agent.drivers.blocking import BlockingDriver
from sceplab_agent.errors import (
    ConfigError,
    ConfigProblem,
    EnrollmentFailedError,
    SnapshotDamagedError,
)
from sceplab_agent.event_catalogue import EVENTS
from sceplab_agent.exchange import run_exchange
from sceplab_agent.executor import Surroundings
from sceplab_agent.handoff.again import HandedAgain
from sceplab_agent.handoff.consumer_pin import secret_for_consumers
from sceplab_agent.handoff.delivery import open_run_mark
from sceplab_agent.install import FileInstaller
from sceplab_agent.installed_files import find_file_faults, tell_file_fault
from sceplab_agent.journal import Detail, Journal
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.key_claims import KeyClaims
from sceplab_agent.key_names import KeyNames, require_own_names
from sceplab_agent.key_stores import KeyStores
from sceplab_agent.observer import Observer, Observers
from sceplab_agent.outcome import is_settled, why_no_renewal
from sceplab_agent.pursuit import events_to_enroll, events_to_renew
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.state_dir import StateDirLock
from sceplab_agent.store_choice import FALLBACK_EVENT, StoreChoice, choose_store
from sceplab_agent.stored_model import read_stored
from sceplab_agent.transaction import RandomBytes
from sceplab_agent.transport import HttpTransport
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.errors import KeyStoreError, StoreUnavailableError


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
        self._key_names = KeyNames(config.trustpoints)
        self._outside = outside
        self._observers = Observers(outside.observer)
        self._journal: Journal | None = None
        self._claims = KeyClaims(None)
        self._stores: KeyStores | None = None
        self._resources = contextlib.ExitStack()
        self._unopened: dict[str, KeyStoreError | SnapshotDamagedError] = {}
        self._unrenewed: dict[str, EnrollmentFailedError] = {}

    def __enter__(self) -> AgentService:
        """Takes the state directory and opens the journal; key stores open when first needed.

        Raises:
            StateDirBusyError: another agent works there.
            JournalError: the journal cannot be used.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(StateDirLock(self._config.state_dir))
            journal = SqliteJournal.create_or_open(self._config.state_dir / FILE_NAME)
            stack.callback(journal.close)
            self._journal = journal
            self._claims = KeyClaims(journal)
            if journal.remark:
                self._notice("-", "journal.mark-set-aside", {"reason": journal.remark})
            self._stores = KeyStores(now=self._outside.clock)
            stack.callback(self._stores.close)
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @property
    def config(self) -> AgentConfig:
        """The configuration."""
        return self._config

    @property
    def outside(self) -> Outside:
        """What it was made with."""
        return self._outside

    @property
    def observers(self) -> Observers:
        """Who is told what its sessions do."""
        return self._observers

    def adopt(self, config: AgentConfig) -> None:
        """Makes sessions by another configuration from now on.

        Raises:
            ConfigError: it is of another state directory; nothing was changed.
        """
        if config.state_dir != self._config.state_dir:
            reason = "cannot change while the agent runs; stop it, then start it anew"
            raise ConfigError(config.file, (ConfigProblem("agent.state_dir", reason),))
        self._config = config
        self._key_names = KeyNames(config.trustpoints)
        names = {trustpoint.name for trustpoint in config.trustpoints}
        for name in self._unopened.keys() - names:
            del self._unopened[name]

    @property
    def journal(self) -> Journal:
        """The open journal."""
        assert self._journal is not None
        return self._journal

    @property
    def unopened(self) -> Mapping[str, KeyStoreError | SnapshotDamagedError]:
        """Trustpoints left out because their key store or journal cannot be used, and why."""
        return self._unopened

    @property
    def unrenewed(self) -> Mapping[str, EnrollmentFailedError]:
        """Trustpoints that could not be renewed for want of a valid certificate, and why."""
        return self._unrenewed

    def forget_unopened(self, name: str) -> None:
        """Takes back that a trustpoint was left out: it is about to be opened again."""
        self._unopened.pop(name, None)

    def session(self, config: TrustpointConfig) -> EnrollmentSession:
        """A session of one trustpoint, from where the journal left it; not yet started.

        Its configuration names the store that was chosen. The use of a fallback is in the journal
        and told before anything else happens.

        Raises:
            KeyStoreError: its key store does not open, or is that of a trustpoint whose keys have
                the same names.
            SnapshotDamagedError: what the journal knows of it is damaged.
            JournalError: the journal cannot be written.
        """
        assert self._stores is not None
        outside = self._outside
        stored = self.journal.snapshot(config.name)
        if stored is not None:
            read_stored(config.name, stored)
        choice = choose_store(config, stored, self._stores)
        require_own_names(choice.config, self._key_names, self._stores.are_one)
        surroundings = Surroundings(
            store=choice.store,
            journal=self.journal,
            installer=FileInstaller(self._config.state_dir),
            challenge=ChallengeSource.from_reference(
                config.challenge, prompt=f"Challenge password for {config.name}: "
            ),
            random_bytes=outside.random_bytes,
            clock=outside.clock,
            observer=self._observers,
            handoffs=choice.config.handoffs,
            key_secret=secret_for_consumers(choice.config),
            claims=self._claims,
            marks=choice.marks,
        )
        session = EnrollmentSession(
            choice.config,
            surroundings,
            rng=outside.rng,
            new_transaction_id=outside.new_transaction_id,
        )
        if choice.instead_of:
            self._tell_fallback(session, choice)
        return session

    def _tell_fallback(self, session: EnrollmentSession, choice: StoreChoice) -> None:
        stored = self.journal.snapshot(session.name)
        record = Record(
            event_id=FALLBACK_EVENT,
            details=choice.details,
            snapshot={**session.machine.snapshot(), **choice.marks, **open_run_mark(stored)},
        )
        entry = self.journal.commit(session.name, self._outside.clock(), record)
        self._observers.recorded(entry)

    def enroll(
        self, configs: Sequence[TrustpointConfig], *, wait: bool, again: bool
    ) -> list[EnrollmentSession]:
        """Enrolls trustpoints that have no valid certificate; goes on with what was cut off.

        Args:
            configs: which.
            wait: through PENDING and through pauses after failures that may pass.
            again: also those with a valid certificate.

        Returns:
            The sessions, at rest or (without ``wait``) where they have to wait; none of a
            trustpoint that is in `unopened`.
        """
        drivers = self._drivers(configs)
        for driver in drivers:
            driver.start()
            self._pursue_enrollment(driver, again=again)
        return self._wait_for(drivers, wait=wait)

    def renew(self, configs: Sequence[TrustpointConfig], *, wait: bool) -> list[EnrollmentSession]:
        """Renews certificates now; returns as `enroll` does.

        A trustpoint without a valid certificate is in `unrenewed`.

        Raises:
            EnrollmentFailedError: none of the trustpoints has a valid certificate.
        """
        drivers = self._drivers(configs)
        able: list[BlockingDriver] = []
        self._unrenewed.clear()
        for driver in drivers:
            driver.start()
            name = driver.session.name
            if reason := why_no_renewal(driver.session, self._outside.clock()):
                error = EnrollmentFailedError(name, FailureCause.CONFIGURATION, reason)
                self._unrenewed[name] = error
            else:
                able.append(driver)
        if self._unrenewed and not able and not self._unopened:
            raise next(iter(self._unrenewed.values()))
        for driver in able:
            for event in events_to_renew(driver.session):
                driver.feed(event)
        self._wait_for(able, wait=wait)
        return [driver.session for driver in drivers]

    def cancel(self, configs: Sequence[TrustpointConfig]) -> list[EnrollmentSession]:
        """Gives enrollments up that are under way or failed: their new keys are deleted.

        The certificate in use stays, with its key. Nothing is sent. Returns as `enroll` does.
        """
        drivers = self._drivers(configs)
        for driver in drivers:
            # Not started: a resumed enrollment might make the key that is to go. Illegal where
            # there is nothing to give up; then nothing changes.
            with contextlib.suppress(IllegalEventError):
                driver.feed(EnrollmentCancelled())
        return [driver.session for driver in drivers]

    def hand_again(self, configs: Sequence[TrustpointConfig]) -> list[HandedAgain]:
        """Hands certificates in use to their consumers once more. Nothing is sent to the CA."""
        told = []
        for config in configs:
            if not config.handoffs:
                continue
            session = self.open_session(config)
            if session is None:
                closed = str(self._unopened[config.name])
                told.append(HandedAgain(trustpoint=config.name, is_done=False, text=closed))
                continue
            # Not started: a resumed enrollment would ask the CA first.
            told += run_exchange(session.hand_again(), self._outside.transport)
        return told

    def open_session(self, config: TrustpointConfig) -> EnrollmentSession | None:
        """The session, or ``None`` and a word in `unopened`: others can go on without it."""
        try:
            session = self.session(config)
        except (KeyStoreError, SnapshotDamagedError) as error:
            self._unopened[config.name] = error
            is_store = isinstance(error, KeyStoreError)
            event_id = "key-store.closed" if is_store else "journal.trustpoint-damaged"
            cause = FailureCause.KEY_STORE.value if is_store else "journal"
            self._notice(config.name, event_id, {"cause": cause, "reason": str(error)})
            return None
        self._unopened.pop(config.name, None)
        self._inspect(session)
        return session

    def _inspect(self, session: EnrollmentSession) -> None:
        """Tells what is wrong with key and files of the certificate in use; mends the files."""
        machine, state_dir = session.machine, self._config.state_dir
        if fault := session.look_for_key():
            details = {"cause": FailureCause.KEY_STORE.value, "reason": fault}
            self._notice(session.name, "key.lost", details)
        if machine.active is None or machine.successor or machine.transaction:
            return  # the files are those of the next certificate, perhaps
        for found in find_file_faults(state_dir, session.name, machine.active):
            event_id, told = tell_file_fault(found)
            self._notice(session.name, event_id, told)

    def _notice(self, trustpoint: str, event_id: str, details: Mapping[str, Detail]) -> None:
        level = EVENTS[event_id].level
        notice = Notify(event_id=event_id, level=level, details=details)
        self._observers.noticed(trustpoint, notice)

    def note_unopened(
        self, configs: Sequence[TrustpointConfig], sessions: Mapping[str, EnrollmentSession]
    ) -> None:
        """Says of stores that were still being opened why their trustpoints are left out."""
        for config in configs:
            if config.name not in sessions and config.name not in self._unopened:
                self._unopened[config.name] = StoreUnavailableError(
                    f"the key store {mask_uri(config.store_uri)} had not opened yet"
                )

    def _drivers(self, configs: Sequence[TrustpointConfig]) -> list[BlockingDriver]:
        return [
            BlockingDriver(
                session,
                self._outside.transport,
                clock=self._outside.clock,
                sleep=self._outside.sleep,
            )
            for session in map(self.open_session, configs)
            if session is not None
        ]

    def _pursue_enrollment(self, driver: BlockingDriver, *, again: bool) -> None:
        for event in events_to_enroll(driver.session, self._outside.clock(), again=again):
            driver.feed(event)

    def _wait_for(
        self, drivers: Sequence[BlockingDriver], *, wait: bool
    ) -> list[EnrollmentSession]:
        """Serves the earliest deadline of all sessions until every one has reached its end.

        Without ``wait`` what is due already is done, once: a poll whose moment has come, a step
        that a restart has cut off.
        """
        for driver in drivers if not wait else ():
            deadline = driver.session.next_deadline()
            is_due = deadline is not None and deadline <= self._outside.clock()
            if is_due and not is_settled(driver.session):
                driver.step()
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
