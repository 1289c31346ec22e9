"""No order of events, faults and crashes loses the key in use or leaves a key behind."""

from __future__ import annotations

import functools
import json
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import (
    BuildRequest,
    Command,
    FetchCa,
    InstallCertificate,
    SendRequest,
)
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.policy import EnrollmentPolicy, Recovery, RenewalPolicy, RetryPolicy
from sceplab_agent.core.snapshot import read_snapshot
from sceplab_agent.core.states import State
from sceplab_agent.errors import InstallError
from sceplab_agent.executor import Executor, Surroundings
from sceplab_agent.install import MemoryInstaller
from sceplab_agent.journal import MemoryJournal
from sceplab_agent.trustpoint import TrustpointConfig, parse_subject
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import KeyStoreError
from sceplab_hsm.fault import FaultyKeyStore
from sceplab_hsm.fault_plan import FaultPlan
from sceplab_hsm.secret import Secret
from tests.support.core import (
    FULL,
    LOST,
    PKI,
    REJECTED,
    T0,
    UNREACHABLE,
    FixedChance,
    policy,
    self_signed,
)
from tests.support.soft_stores import soft_store

NAME = "tp"
NEVER = 10_000


class CrashError(Exception):
    """The process dies here."""


class FullDiskInstaller(MemoryInstaller):
    """Has no room while it is told so."""

    is_full = False

    def install(self, trustpoint: str, command: InstallCertificate) -> None:
        """See `CertificateInstaller.install`."""
        if self.is_full:
            raise InstallError("no room")
        super().install(trustpoint, command)


@functools.cache
def fault_texts() -> list[list[str]]:
    """Faults of one step: none, the token is away, an answer is lost, no room."""
    kinds = [[], [], ["removed:any"], ["lost:generate"], ["lost:delete"], ["fail:delete"]]
    return [*kinds, ["full:generate"], ["busy:get"]]


@dataclass
class World:
    """A machine with a real key store and a journal; the network and the CA are played."""

    place: Path
    policy: EnrollmentPolicy
    now: datetime = T0
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    installer: FullDiskInstaller = field(default_factory=FullDiskInstaller)
    patience: int = NEVER
    """Effects until the process dies."""
    crashes: int = 0
    answers: Iterator[int] = field(default_factory=lambda: iter(()))
    """What servers say next, by number; afterwards they are willing."""

    def __post_init__(self) -> None:
        self.keys = soft_store(self.place)
        self.faults = FaultPlan()
        config = TrustpointConfig(
            name=NAME,
            url="http://ca.example.test/scep",
            subject=parse_subject("CN=router1.example.net"),
            key_algorithm=KeyAlgorithm.EC_P256,
            policy=self.policy,
        )
        self.executor = Executor(
            config,
            Surroundings(
                store=FaultyKeyStore(self.keys, self.faults),
                journal=self.journal,
                installer=self.installer,
                challenge=ChallengeSource.fixed(Secret("")),
                random_bytes=bytes,
                clock=lambda: self.now,
            ),
            None,
        )
        self.restart()

    def restart(self) -> None:
        """A new process, from what the journal holds."""
        stored = self.journal.snapshot(NAME)
        options: dict[str, Any] = {"rng": FixedChance(), "new_transaction_id": lambda: "T"}
        if stored is None:
            self.machine = EnrollmentMachine(self.policy, **options)
        else:
            body = json.loads(json.dumps(stored.body))
            self.machine = EnrollmentMachine.restore(self.policy, body, **options)
        start = ev.TrustpointConfigured() if stored is None else ev.Restarted()
        self.process(start)

    def process(self, event: ev.Event) -> None:
        """Handles an event and what follows; dies when the patience ends, and starts again."""
        try:
            self.handle(event)
        except CrashError:
            self.crashes += 1
            self.patience = NEVER
            self.check()
            self.restart()

    def handle(self, event: ev.Event) -> None:
        """One event and everything that follows from it."""
        events = deque([event])
        while events:
            try:
                commands = self.machine.handle(events.popleft(), self.now)
            except IllegalEventError:
                continue
            for command in commands:
                self.spend()
                answer = self.carry_out(command)
                self.check()
                self.spend()
                if answer is not None:
                    events.append(answer)

    def spend(self) -> None:
        """One more boundary is passed."""
        self.patience -= 1
        if self.patience < 0:
            raise CrashError

    def carry_out(self, command: Command) -> ev.Event | None:
        """Keys, journal and installation in earnest; everything else by the next answer."""
        match command:
            case FetchCa():
                received = ev.CaCertificatesReceived(certificates_der=PKI.bundle, capabilities=FULL)
                return UNREACHABLE if next(self.answers, 0) == 1 else received
            case BuildRequest():
                return self.build(command)
            case SendRequest():
                return self.reply(next(self.answers, 0))
            case _:
                try:
                    next(self.executor.carry_out(command))
                except StopIteration as end:
                    event: ev.Event | None = end.value
                    return event
                raise AssertionError(f"{command} wants the network")

    def build(self, command: BuildRequest) -> ev.Event:
        """A message, if the key that signs is in the store."""
        try:
            self.executor._store.get(command.signer_key_id)
        except KeyStoreError as error:
            return ev.RequestFailed(cause=ev.FailureCause.KEY_STORE, reason=str(error))
        signer = command.signer_certificate_der or self_signed(command.signer_key_id)
        return ev.RequestBuilt(
            message_der=b"message", sender_nonce=bytes(16), signer_certificate_der=signer
        )

    def reply(self, answer: int) -> ev.Event:
        """What the CA says."""
        key = self.machine.new_key
        assert key is not None
        replies: list[Callable[[], ev.Event]] = [
            lambda: ev.ReplyIssued(reply_der=b"r", certificates_der=(self.issue(key.key_id),)),
            lambda: UNREACHABLE,
            lambda: REJECTED,
            ev.ReplyPending,
            lambda: LOST,
        ]
        return replies[answer % len(replies)]()

    def issue(self, key_id: str) -> bytes:
        """A certificate for a key of the store."""
        public_key: Any = self.keys.get(key_id).public_key
        return PKI.issue(SimpleNamespace(public_key=lambda: public_key), at=self.now)

    def check(self) -> None:
        """The key in use is there, and is the one of the certificate."""
        stored = self.journal.snapshot(NAME)
        active = read_snapshot(stored.body).active if stored is not None else None
        if active is not None:
            assert self.public_halves()[active.key_id] == active.public_key_der

    def public_halves(self) -> dict[str, bytes]:
        """What the store holds, past all faults."""
        return {info.key_id: info.public_key_der for info in self.keys.list_keys()}

    def recover(self) -> None:
        """The cause of the trouble is gone; the process starts again and settles."""
        self.faults.disarm()
        self.installer.is_full = False
        self.patience, self.answers = NEVER, iter(())
        self.restart()

    def check_recovered(self) -> None:
        """The store has the keys that the journal names, and no other."""
        self.check()
        stored = self.journal.snapshot(NAME)
        assert stored is not None
        model = read_snapshot(stored.body)
        assert model.retired_keys == ()
        named = {key.key_id for key in (model.active, model.new_key) if key is not None}
        kept = set() if self.policy.owns_key else {self.policy.first_key_id}
        halves = self.public_halves()
        assert set(halves) <= named | kept, "an orphan"
        new = model.new_key
        if new is not None and new.public_key_der:
            assert halves[new.key_id] == new.public_key_der


@contextmanager
def world(trustpoint: EnrollmentPolicy) -> Iterator[World]:
    """A world in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield World(Path(folder) / "keys", trustpoint)


policies = st.builds(
    policy,
    owns_key=st.sampled_from([True, True, False]),
    uses_challenge=st.just(False),
    recovery=st.sampled_from(Recovery),
    retry=st.sampled_from([RetryPolicy(max_attempts=2), RetryPolicy()]),
    renewal=st.builds(RenewalPolicy, new_key=st.sampled_from([True, True, False])),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["enroll", "enroll", "renew", "wake", "wake", "cancel", "cut", "configure"]
        ),
        st.lists(st.integers(0, 4), max_size=4),
        st.one_of(st.just(NEVER), st.integers(0, 24)),
        st.integers(0, 7),
        st.booleans(),
    ),
    min_size=1,
    max_size=14,
)


def event_of(kind: str, world: World) -> ev.Event:
    """The event of one step."""
    if kind == "wake":
        deadline = world.machine.next_deadline()
        world.now = max(world.now, deadline or world.now)
    return {
        "enroll": ev.EnrollRequested(),
        "renew": ev.RenewRequested(),
        "wake": ev.DeadlineReached(),
        "cancel": ev.EnrollmentCancelled(),
        "configure": ev.TrustpointConfigured(),
        "cut": ev.Restarted(),
    }[kind]


@settings(deadline=None)
@given(policies, steps)
def test_after_recovery_the_store_has_the_keys_the_journal_names(
    trustpoint: EnrollmentPolicy, moves: list[tuple[str, list[int], int, int, bool]]
) -> None:
    """Any order of wishes, refusals, faults and crashes: no orphan, and the active key is there."""
    with world(trustpoint) as place:
        for kind, answers, patience, fault, is_full in moves:
            place.now += timedelta(seconds=1)
            place.faults.disarm()
            place.faults.arm(*fault_texts()[fault])
            place.installer.is_full = is_full and fault % 2 == 1
            place.answers, place.patience = iter(answers), patience
            if kind == "cut":
                place.restart()
            else:
                place.process(event_of(kind, place))
        place.recover()
        place.check_recovered()


@pytest.mark.parametrize("new_key", [True, False])
def test_every_single_crash_of_an_enrollment_and_a_renewal(new_key: bool) -> None:
    """Killed once at each boundary of the whole course: two certificates, no key too many."""
    boundary, crashes = 0, 1
    while crashes:
        with world(policy(uses_challenge=False, renewal=RenewalPolicy(new_key=new_key))) as place:
            place.patience = boundary
            for event in (ev.EnrollRequested(), ev.RenewRequested()):
                place.process(event)
                for _ in range(3):
                    if place.machine.state is not State.INSTALLED:
                        place.process(event_of("wake", place))
                if place.machine.state in {State.CONFIGURED, State.CA_PINNED}:
                    place.process(event)  # it died before the wish was in the journal
            crashes = place.crashes
            place.recover()
            place.check_recovered()
            assert place.machine.state is State.INSTALLED
            assert place.machine.active is not None
            assert set(place.public_halves()) == {place.machine.active.key_id}
        boundary += 1
    assert boundary > 30
