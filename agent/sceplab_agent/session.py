"""One trustpoint at work: its machine, its hands, and the journal it starts again from."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime

from sceplab_agent.core.commands import Record
from sceplab_agent.core.errors import SnapshotError
from sceplab_agent.core.events import Event, Restarted, TrustpointConfigured
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.schedule import RandomSource
from sceplab_agent.core.states import State
from sceplab_agent.errors import SnapshotDamagedError
from sceplab_agent.exchange import Exchange
from sceplab_agent.executor import Executor, Surroundings
from sceplab_agent.handoff.again import AGAIN, AGAIN_DONE, AGAIN_FAILED, HandedAgain
from sceplab_agent.handoff.delivery import hand_over
from sceplab_agent.key_faults import find_key_fault
from sceplab_agent.text import clean_text
from sceplab_agent.trustpoint import TrustpointConfig


class EnrollmentSession:
    """Feeds events to the machine, has its commands carried out, feeds the answers back.

    It does no HTTP and never waits; a driver runs its exchanges, one at a time. An exchange that is
    broken off leaves the machine waiting for an answer: drop the session and make a new one from
    the same journal.

    Args:
        config: the trustpoint.
        surroundings: key store, journal and so on.
        rng: source of jitter.
        new_transaction_id: see `EnrollmentMachine`.

    Raises:
        SnapshotDamagedError: the journal's snapshot of this trustpoint is damaged or of another
            version.
    """

    __slots__ = (
        "_clock",
        "_executor",
        "_lost_generation",
        "_observer",
        "_store",
        "config",
        "lock",
        "machine",
    )

    def __init__(
        self,
        config: TrustpointConfig,
        surroundings: Surroundings,
        *,
        rng: RandomSource,
        new_transaction_id: Callable[[], str],
    ) -> None:
        self.config = config
        self.lock = threading.Lock()
        """Held while the machine changes; for other threads that look at it."""
        self._clock = surroundings.clock
        self._observer = surroundings.observer
        self._store = surroundings.store
        self._lost_generation: int | None = None
        stored = surroundings.journal.snapshot(config.name)
        self._executor = Executor(config, surroundings, stored)
        if stored is None:
            self.machine = EnrollmentMachine(
                config.policy, rng=rng, new_transaction_id=new_transaction_id
            )
            return
        try:
            self.machine = EnrollmentMachine.restore(
                config.policy, stored.body, rng=rng, new_transaction_id=new_transaction_id
            )
        except SnapshotError as error:
            raise SnapshotDamagedError(config.name, stored.origin, str(error)) from error

    def find_key_fault(self) -> str:
        """What is wrong with the key of the certificate in use, if it was found wrong before.

        Empty: nothing. `look_for_key` has to have looked for the same certificate.
        """
        active = self.machine.active
        if active is None or active.generation != self._lost_generation:
            return ""
        return self.look_for_key()

    def look_for_key(self) -> str:
        """As `find_key_fault`, whatever was found before."""
        active = self.machine.active
        if active is None:
            return ""
        fault = find_key_fault(self._store, active)
        self._lost_generation = active.generation if fault else None
        return fault

    @property
    def name(self) -> str:
        """Name of the trustpoint."""
        return self.config.name

    @property
    def state(self) -> State:
        """Where the enrollment stands."""
        return self.machine.state

    def next_deadline(self) -> datetime | None:
        """The moment at which `DeadlineReached` is due, UTC."""
        return self.machine.next_deadline()

    def note(self, event_id: str, details: Mapping[str, str | int | bool | None]) -> Exchange[None]:
        """Writes an entry that is not the machine's to the journal; nothing changes.

        Raises:
            JournalError: it could not be committed; the session is over.
        """
        yield from self._executor.carry_out(
            Record(event_id=event_id, details=details, snapshot=self.machine.snapshot())
        )

    def hand_again(self) -> Exchange[list[HandedAgain]]:
        """Hands the certificate in use to its consumers once more; the enrollment stays as it is.

        Raises:
            JournalError: it could not be noted; the session is over.
        """
        active = self.machine.active
        if active is None:
            text = "there is no certificate; run: sceplab-agent enroll"
            return [HandedAgain(trustpoint=self.name, is_done=False, text=text)]
        details = {"generation": active.generation}
        yield from self.note(AGAIN, details)
        told = self._executor.hand_again(hand_over(active))
        event_id = AGAIN_DONE if all(one.is_done for one in told) else AGAIN_FAILED
        text = "; ".join(f"{one.handoff}: {one.text}".removeprefix(": ") for one in told)
        yield from self.note(event_id, {**details, "proof": clean_text(text)})
        return told

    def start(self) -> Exchange[None]:
        """To be run first: a new trustpoint is set up, a stored one resumes what was cut off."""
        if self.machine.state is State.UNCONFIGURED:
            return self.process(TrustpointConfigured())
        return self.process(Restarted())

    def process(self, event: Event) -> Exchange[None]:
        """Handles one event and everything that follows from it, until the machine waits.

        Raises:
            IllegalEventError: the event cannot happen now; nothing was changed.
            JournalError: a record could not be committed; the session is over.
        """
        events = deque([event])
        while events:
            before = self.machine.state
            with self.lock:
                commands = self.machine.handle(events.popleft(), self._clock())
            if self.machine.state is not before:
                self._observer.state_changed(self.name, before, self.machine.state)
            for command in commands:
                answer = yield from self._executor.carry_out(command)
                if answer is not None:
                    events.append(answer)
