"""The enrollment machine under events in any order, from any of its snapshots."""

from __future__ import annotations

import functools
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_agent.core import events as ev
from sceplab_agent.core.catalogue import CATALOGUE
from sceplab_agent.core.commands import (
    AskOperator,
    BuildRequest,
    Command,
    DeleteKey,
    FetchCa,
    FetchNextCa,
    GenerateKey,
    HandOver,
    InstallCertificate,
    Notify,
    Record,
    SendRequest,
)
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.model import Awaited, Goal
from sceplab_agent.core.policy import (
    EnrollmentPolicy,
    PollPolicy,
    Recovery,
    RenewalPolicy,
    RetryPolicy,
    RolloverMode,
    RolloverPolicy,
    UnpinnedCa,
)
from sceplab_agent.core.states import State
from sceplab_agent.core.table import shared_machine
from sceplab_agent.core.transitions import TRANSITIONS, Transition
from sceplab_agent.core.verdicts import Verdict
from sceplab_scep.capabilities import Capabilities
from tests.support.core import (
    FORGED,
    FULL,
    LOST,
    NO_RENEWAL,
    OTHER_PKI,
    PKI,
    REJECTED,
    T0,
    UNREACHABLE,
    FixedChance,
    Pki,
    check_effects,
    device_key,
    policy,
    self_signed,
    spki,
)
from tests.support.next_ca import ENDING, FOLLOWING, STRANGER, next_ca_received

WAITING_FOR_PEOPLE = {
    State.UNCONFIGURED,
    State.CONFIGURED,
    State.CA_PINNED,
    State.BLOCKED,
    State.FAILED,
    State.EXPIRED_TXN,
    State.NEEDS_CHALLENGE,
    State.INSTALLED,
    State.ROLLOVER,
}
HAND_OFF_FAILURES = (
    ev.HandOffFailed(reason="no tunnel", may_pass=True),
    ev.HandOffFailed(reason="no tunnel, and stuck", may_pass=True, is_undone=False),
    ev.HandOffFailed(reason="no client certificate", may_pass=False),
)
ANSWERS: dict[type, set[Awaited]] = {
    ev.CaCertificatesReceived: {Awaited.CA},
    ev.NextCaReceived: {Awaited.NEXT_CA},
    ev.NextCaAbsent: {Awaited.NEXT_CA},
    ev.TransportFailed: {Awaited.CA, Awaited.NEXT_CA, Awaited.REPLY},
    ev.KeyReady: {Awaited.KEY},
    ev.RequestBuilt: {Awaited.MESSAGE},
    ev.RequestFailed: {Awaited.MESSAGE},
    ev.ReplyPending: {Awaited.REPLY},
    ev.ReplyIssued: {Awaited.REPLY},
    ev.ReplyRejected: {Awaited.REPLY},
    ev.CertificateInstalled: {Awaited.INSTALLATION},
    ev.InstallFailed: {Awaited.INSTALLATION},
    ev.HandedOver: {Awaited.HANDOFF},
    ev.HandOffFailed: {Awaited.HANDOFF},
}
"""What each answer is an answer to; when nothing of that is awaited it is refused."""
SURPRISES = 42
"""How many a player has."""
NEW_RA = Pki(ra="c")
SERVER_SWITCH = ENDING.valid_to - timedelta(days=20)
"""When a server of the CA that ends shows the next one."""
SPECIFIC_ROWS = [row for row in TRANSITIONS if len(row.sources) < 14]
VERDICTS = (*get_args(Verdict), ev.TransportFailed)

policies = st.builds(
    policy,
    pin=st.sampled_from([PKI.pin(), PKI.pin(), None]),
    unpinned_ca=st.sampled_from(UnpinnedCa),
    recovery=st.sampled_from(Recovery),
    uses_challenge=st.booleans(),
    owns_key=st.booleans(),
    hands_over=st.booleans(),
    poll=st.sampled_from([PollPolicy(), PollPolicy(max_polls=1), PollPolicy(max_wait_s=90.0)]),
    renewal=st.builds(
        RenewalPolicy,
        enabled=st.sampled_from([True, True, False]),
        new_key=st.booleans(),
        implicit=st.booleans(),
    ),
)


@functools.cache
def issue(pki: Pki, key_id: str, at: datetime) -> bytes:
    """One certificate a key and day, because signing is what takes the time."""
    return pki.issue(device_key(key_id), at=at)


def asks(commands: list[Command]) -> list[Command]:
    """The commands whose answers the enrollment waits for."""
    return [c for c in commands if not isinstance(c, (Record, Notify, DeleteKey))]


@dataclass
class Player:
    """Feeds a machine with answers and surprises, and holds every invariant after each."""

    policy: EnrollmentPolicy
    capabilities: Capabilities
    now: datetime = T0
    pki: Pki = PKI
    """The server's first CA."""
    outstanding: list[Command] = field(default_factory=list)
    """Commands that were not answered yet, oldest first."""
    records: list[Record] = field(default_factory=list)
    transactions: int = 0
    in_charge: dict[str, int] = field(default_factory=dict)
    """Keys of active certificates, past ones too, with their newest generation."""

    def __post_init__(self) -> None:
        self.machine = EnrollmentMachine(
            self.policy, rng=FixedChance(), new_transaction_id=self.next_id
        )

    def next_id(self) -> str:
        """The same for the machine and its twin."""
        return f"T{self.transactions}"

    def restored(self, snapshot: dict[str, object]) -> EnrollmentMachine:
        """A machine made of a snapshot that went through JSON."""
        return EnrollmentMachine.restore(
            self.policy,
            json.loads(json.dumps(snapshot)),
            rng=FixedChance(),
            new_transaction_id=self.next_id,
        )

    def willing_answer(self) -> ev.Event:
        """What a world without trouble would say next."""
        match self.outstanding.pop(0) if self.outstanding else None:
            case FetchCa():
                return ev.CaCertificatesReceived(
                    certificates_der=self.bundle(), capabilities=self.capabilities
                )
            case FetchNextCa():
                return next_ca_received()
            case AskOperator():
                return ev.CaAccepted()
            case GenerateKey(key_id=key_id):
                return ev.KeyReady(key_id=key_id, public_key_der=spki(device_key(key_id)))
            case DeleteKey(key_id=key_id):
                return ev.KeyDeleted(key_id=key_id)
            case BuildRequest() as request:
                return ev.RequestBuilt(
                    message_der=b"message",
                    sender_nonce=bytes(16),
                    signer_certificate_der=request.signer_certificate_der
                    or self_signed(request.signer_key_id),
                )
            case SendRequest():
                return self.issued()
            case InstallCertificate():
                return ev.CertificateInstalled()
            case HandOver():
                return ev.HandedOver(proof="the tunnel is up")
            case _:
                return self.next_wish()

    def unwilling_answer(self, number: int) -> ev.Event:
        """What could be answered instead."""
        token_lost = ev.RequestFailed(cause=ev.FailureCause.KEY_STORE, reason="locked")
        match self.outstanding.pop(0) if self.outstanding else None:
            case FetchCa():
                return (UNREACHABLE, FORGED)[number % 2]
            case FetchNextCa():
                return (UNREACHABLE, ev.NextCaAbsent())[number % 2]
            case AskOperator():
                return ev.CaRefused()
            case GenerateKey(key_id=key_id) | DeleteKey(key_id=key_id):
                return ev.KeyFailed(reason="locked", key_id=key_id)
            case BuildRequest():
                return token_lost
            case SendRequest():
                replies = (*(UNREACHABLE, REJECTED, ev.ReplyPending()) * 2, LOST)
                return replies[number % len(replies)]
            case InstallCertificate():
                return ev.InstallFailed(reason="disk full")
            case HandOver():
                return HAND_OFF_FAILURES[number % len(HAND_OFF_FAILURES)]
            case _:
                return self.wake()

    def next_wish(self) -> ev.Event:
        """What an operator would ask for who wants a certificate."""
        if self.machine.next_deadline() is not None:
            return ev.DeadlineReached()
        match self.machine.state:
            case State.UNCONFIGURED:
                return ev.TrustpointConfigured()
            case State.CONFIGURED | State.BLOCKED:
                return ev.AuthenticateRequested()
            case State.NEEDS_CHALLENGE:
                return ev.ChallengeProvided()
            case _:
                return ev.EnrollRequested()

    def bundle(self) -> tuple[bytes, ...]:
        """What GetCACert shows now: the next CA first, once the server has switched."""
        if self.pki is PKI or self.now < SERVER_SWITCH:
            return self.pki.bundle
        return (*FOLLOWING.bundle, *self.pki.bundle)

    def issued(self, pki: Pki | None = None) -> ev.Event:
        """SUCCESS with a certificate for the key that is enrolled for, of the CA asked."""
        ca = self.machine.ca
        is_next = ca is not None and ca.anchor_der == FOLLOWING.anchor_der
        is_next = is_next or self.machine.goal is Goal.ROLLOVER
        pki = pki or (FOLLOWING if is_next else self.pki)
        key = self.machine.new_key
        key_id = key.key_id if key else "key"
        at = self.now.replace(hour=0)
        return ev.ReplyIssued(reply_der=b"r", certificates_der=(issue(pki, key_id, at),))

    def surprise(self, number: int) -> ev.Event:
        """Any event, whether or not it makes sense now."""
        received = ev.CaCertificatesReceived
        choices: list[ev.Event] = [
            ev.TrustpointConfigured(),
            ev.AuthenticateRequested(),
            ev.EnrollRequested(),
            ev.EnrollRequested(has_challenge=False),
            ev.RenewRequested(),
            ev.RetryRequested(),
            received(certificates_der=OTHER_PKI.bundle, capabilities=FULL),
            received(certificates_der=NEW_RA.bundle, capabilities=NO_RENEWAL),
            received(certificates_der=(), capabilities=FULL),
            received(certificates_der=(b"rubbish",), capabilities=FULL),
            received(certificates_der=FOLLOWING.bundle, capabilities=FULL),
            next_ca_received(),
            next_ca_received(STRANGER),
            ev.NextCaAbsent(),
            ev.CaAccepted(),
            ev.CaRefused(),
            ev.KeyReady(key_id="key", public_key_der=spki(device_key("another"))),
            ev.KeyFailed(reason="locked"),
            ev.KeyFailed(reason="locked", key_id="key"),
            ev.RequestFailed(cause=ev.FailureCause.KEY_STORE, reason="locked"),
            ev.RequestFailed(cause=ev.FailureCause.CONFIGURATION, reason="below the floor"),
            ev.ReplyPending(),
            ev.ReplyPending(),
            self.issued(OTHER_PKI),
            ev.ReplyIssued(reply_der=b"r", certificates_der=(b"rubbish",)),
            REJECTED,
            LOST,
            UNREACHABLE,
            UNREACHABLE,
            FORGED,
            ev.CertificateInstalled(),
            ev.InstallFailed(reason="disk full"),
            ev.HandedOver(proof="the tunnel is up"),
            *HAND_OFF_FAILURES,
            ev.KeyDeleted(key_id="key"),
            ev.KeyDeleted(key_id="key.2"),
            ev.ChallengeProvided(),
            ev.EnrollmentCancelled(),
            ev.DeadlineReached(),
            ev.Restarted(),
        ]
        assert len(choices) == SURPRISES
        return choices[number % SURPRISES]

    def wake(self) -> ev.Event:
        """Waits for the next deadline."""
        deadline = self.machine.next_deadline()
        self.now = self.now if deadline is None else max(self.now, deadline)
        return ev.DeadlineReached()

    def setback(self, number: int) -> ev.Event:
        """One of the events that the state knows, most of them unwelcome."""
        state = self.machine.state
        known = {row.trigger for row in SPECIFIC_ROWS if state in row.sources}
        fitting = [event for event in map(self.surprise, range(SURPRISES)) if type(event) in known]
        return fitting[number % len(fitting)] if fitting else self.surprise(number)

    def move(self, kind: str, number: int) -> ev.Event:
        """The event of one drawn step."""
        match kind:
            case "answer":
                return self.willing_answer()
            case "wake":
                return self.wake()
            case "refusal":
                return self.unwilling_answer(number)
            case "setback":
                return self.setback(number)
            case _:
                return self.surprise(number)

    def play(self, event: ev.Event) -> None:
        """Hands the event to the machine and to a twin made of its snapshot."""
        before = self.machine.snapshot()
        twin = self.restored(before)
        state, active, awaited = self.machine.state, self.machine.active, self.machine.awaited
        was_asked = self.machine.candidate is not None
        self.transactions += 1
        deadline = self.machine.next_deadline()
        try:
            commands = self.machine.handle(event, self.now)
        except IllegalEventError:
            assert self.machine.snapshot() == before
            with pytest.raises(IllegalEventError):
                twin.handle(event, self.now)
            return
        assert awaited in ANSWERS.get(type(event), Awaited), "nobody asked for it"
        if isinstance(event, (ev.CaAccepted, ev.CaRefused)):
            assert was_asked, "nobody asked for it"
        assert twin.handle(event, self.now) == commands
        assert twin.snapshot() == self.machine.snapshot()
        assert twin.next_deadline() == self.machine.next_deadline()
        if self.machine.awaited is not awaited or asks(commands):
            # What was awaited is answered, or given up: a driver has nothing under way any more.
            self.outstanding = [c for c in self.outstanding if isinstance(c, DeleteKey)]
        self.note(commands)
        self.check(state, commands)
        self.check_handoff(before, commands)
        if self.machine.active != active:
            is_direct = isinstance(event, ev.CertificateInstalled) and not self.policy.hands_over
            assert is_direct or isinstance(event, ev.HandedOver)
            if active is not None:
                assert self.machine.active is not None
                assert active.generation < self.machine.active.generation
        if isinstance(event, ev.DeadlineReached) and deadline and deadline <= self.now:
            later = self.machine.next_deadline()
            assert commands or later is None or later > self.now, f"idle loop in {state}"

    def advance(self, count: int, until: State | None = None) -> None:
        """Plays willing answers, waiting where there is something to wait for."""
        for _ in range(count):
            if self.machine.state is until and self.machine.awaited is Awaited.NOTHING:
                return
            deadline = self.machine.next_deadline()
            if not self.outstanding and deadline is not None:
                self.now = max(self.now, deadline)
            self.play(self.willing_answer())

    def note(self, commands: list[Command]) -> None:
        """Keeps what a driver would keep."""
        self.records += [command for command in commands if isinstance(command, Record)]
        self.outstanding += [c for c in commands if not isinstance(c, (Record, Notify))]

    def check(self, before: State, commands: list[Command]) -> None:
        """What holds after every event."""
        machine = self.machine
        check_effects(commands)
        assert machine.state in reachable(before)
        assert len(asks(commands)) <= 1, "one answer outstanding at a time"
        if machine.awaited is Awaited.NOTHING and machine.next_deadline() is None:
            assert machine.state in WAITING_FOR_PEOPLE, "nothing would ever happen again"
        in_use = {
            machine.active and machine.active.key_id,
            machine.new_key and machine.new_key.key_id,
            machine.shadow and machine.shadow.key.key_id,
        }
        assert not in_use & set(machine.retired_keys)
        for command in commands:
            if isinstance(command, DeleteKey):
                assert command.key_id not in in_use
            if isinstance(command, (Record, Notify)):
                assert command.event_id in CATALOGUE
                json.dumps(dict(command.details))
            if isinstance(command, Record):
                self.check_restart(command)

    def check_handoff(self, before: dict[str, Any], commands: list[Command]) -> None:
        """A key that was in charge goes only behind the record of a later hand-off."""
        machine, successor = self.machine, self.machine.successor
        if successor is not None:
            assert machine.active != successor
            assert machine.new_key is not None
            assert machine.new_key.key_id == successor.key_id
        deleted = {c.key_id for c in commands if isinstance(c, DeleteKey)}
        if before["is_handoff_open"] and before["successor"]:
            assert before["successor"]["key_id"] not in deleted, "a consumer may be using it"
        done = [
            int(r.details["generation"] or 0) for r in self.records if r.event_id == "handoff.done"
        ]
        for key_id in deleted & set(self.in_charge):
            assert not self.policy.hands_over or max(done) > self.in_charge[key_id]
        if machine.active is not None:
            self.in_charge[machine.active.key_id] = machine.active.generation

    def check_restart(self, record: Record) -> None:
        """Started again from any record, there is something to do or someone to wait for."""
        machine = self.restored(dict(record.snapshot))
        machine.handle(ev.Restarted(), self.now)
        is_at_work = machine.awaited is not Awaited.NOTHING or machine.next_deadline() is not None
        assert is_at_work or machine.state in WAITING_FOR_PEOPLE, record.event_id


def reachable(state: State) -> set[State]:
    """States that one event leads to by the table, verdicts within the same call included."""
    found = {state} | {
        row.destination for row in TRANSITIONS if row.destination and state in row.sources
    }
    while True:
        more = {
            row.destination
            for row in TRANSITIONS
            if row.destination and row.trigger in VERDICTS and found & set(row.sources)
        }
        if more <= found:
            return found
        found |= more


KINDS = ("answer", "refusal", "setback", "wake", "surprise")

steps = st.lists(
    st.tuples(
        st.sampled_from([*KINDS, "answer", "answer"]),
        st.integers(0, SURPRISES - 1),
        st.sampled_from([0, 0, 0, 1, 90, 4000, 86400, 40 * 86400, -86400, -400 * 86400]),
    ),
    min_size=10,
    max_size=40,
)
head_starts = st.integers(0, 16)
"""Willing answers before the trouble starts: 8 send a request, 11 install, 16 send a renewal."""


@given(policies, st.sampled_from([FULL, NO_RENEWAL]), head_starts, steps)
def test_any_order_of_events_keeps_every_invariant(
    trustpoint: EnrollmentPolicy,
    capabilities: Capabilities,
    head_start: int,
    moves: list[tuple[str, int, int]],
) -> None:
    """Only declared states, illegal events change nothing, every effect follows its record."""
    player = Player(trustpoint, capabilities)
    player.advance(head_start)
    for kind, number, seconds in moves:
        player.now += timedelta(seconds=seconds)
        player.play(player.move(kind, number))


@given(policies, st.sampled_from([FULL, NO_RENEWAL]), head_starts, steps, st.integers(0, 1000))
def test_a_restart_from_any_record_ends_with_a_certificate(
    trustpoint: EnrollmentPolicy,
    capabilities: Capabilities,
    head_start: int,
    moves: list[tuple[str, int, int]],
    cut: int,
) -> None:
    """Whatever was recorded last, a restarted machine in a willing world gets its certificate."""
    player = Player(trustpoint, capabilities)
    player.advance(head_start)
    for kind, number, seconds in moves:
        player.now += timedelta(seconds=max(seconds, 0))
        player.play(player.move(kind, number))
    if not player.records:
        return
    snapshot = dict(player.records[cut % len(player.records)].snapshot)
    player.machine = player.restored(snapshot)
    player.outstanding.clear()
    player.play(ev.Restarted())
    player.advance(40, until=State.INSTALLED)
    if trustpoint.pin is not None or trustpoint.unpinned_ca is not UnpinnedCa.REFUSE:
        assert player.machine.state is State.INSTALLED


def test_every_event_class_is_played() -> None:
    """A new event class has to join the surprises."""
    player = Player(policy(), FULL)
    played = {type(player.surprise(number)) for number in range(SURPRISES)} | {ev.RequestBuilt}
    assert set(get_args(ev.Event)) <= played
    assert all(fields(event) is not None for event in played)


@pytest.fixture
def taken_rows() -> Iterator[set[tuple[Transition, State]]]:
    """Rows that were taken, each with the state it was taken from."""
    taken: set[tuple[Transition, State]] = set()
    shared_machine.cache_clear()
    machine = shared_machine()
    place: Counter[tuple[str, str]] = Counter()
    for row in TRANSITIONS:
        for source in row.sources:
            key = (row.trigger.__name__, source.name)
            transition = machine.events[key[0]].transitions[key[1]][place[key]]
            place[key] += 1
            transition.after.append(lambda _data, pair=(row, source): taken.add(pair))
    yield taken
    shared_machine.cache_clear()


def test_long_walks_take_nearly_every_row(taken_rows: set[tuple[Transition, State]]) -> None:
    """Long walks with much trouble: invariants hold and hardly a row of the table is missed."""
    for seed in range(195):
        chance = random.Random(seed)
        player = walker(seed, chance)
        weights = chance.choice([[20, 5, 2, 4, 0], [10, 5, 3, 3, 1], [8, 6, 6, 3, 1]])
        for _ in range(120 if seed < SHADOW_SEED else 60):
            kind = chance.choices(KINDS, weights)[0]
            player.now += timedelta(seconds=chance.choice([0] * 30 + [90, 86400, 90 * 86400]))
            player.play(player.move(kind, chance.randrange(1000)))
    never = set(TRANSITIONS) - {row for row, _ in taken_rows}
    # Chance misses the deepest few; the tests by workflow take those by name.
    assert len(never) <= 11, "\n".join(f"{row.trigger.__name__} {row.action}" for row in never)


SHADOW_SEED = 120
"""From this one on, walks begin where the next CA is known."""


def walker(seed: int, chance: random.Random) -> Player:
    """The player of a long walk, where its trouble begins."""
    pki = ENDING if seed >= 90 else PKI
    player = Player(
        policy(
            pin=chance.choice([pki.pin(), None]),
            unpinned_ca=chance.choice([UnpinnedCa.ASK, UnpinnedCa.ASK, UnpinnedCa.TOFU]),
            recovery=list(Recovery)[seed % 3],
            hands_over=60 <= seed < 105,
            rollover=RolloverPolicy(mode=chance.choice([RolloverMode.ASK, RolloverMode.AUTO])),
            uses_challenge=chance.random() < 0.5,
            poll=PollPolicy(
                max_polls=chance.choice([1, 2, 9]),
                max_wait_s=chance.choice([100.0, 7 * 86400.0]),
            ),
            retry=RetryPolicy(max_attempts=chance.choice([2, 3, 4])),
            renewal=RenewalPolicy(
                enabled=chance.random() < 0.8,
                new_key=chance.random() < 0.7,
                implicit=chance.random() < 0.3,
            ),
        ),
        FULL,
        pki=pki,
    )
    if seed >= SHADOW_SEED:
        player.advance(60, until=State.ROLLOVER)
        player.advance(chance.choice([0, 1, 2, 3, 4, 6]))
    return player
