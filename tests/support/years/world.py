"""Thirty years of one device: its agent, its server, the people around, and everything that fails.

Two clocks: the true one, which the server has, and the device's, which may be off. Whatever
happens at a set moment stands in the agenda; the agent's own deadlines come between.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.core import events as ev
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.policy import EnrollmentPolicy
from sceplab_agent.core.states import State
from sceplab_agent.drivers.virtual import VirtualClock
from sceplab_agent.errors import JournalError
from sceplab_agent.exchange import run_exchange
from sceplab_agent.executor import Surroundings
from sceplab_agent.pursuit import events_to_enroll
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.trustpoint import TrustpointConfig, parse_subject
from sceplab_hsm.fault import FaultyKeyStore
from sceplab_hsm.fault_plan import FaultPlan
from sceplab_hsm.secret import Secret
from sceplab_lab.memory_transport import MemoryTransport
from sceplab_ndes.hierarchy import CaPlan
from tests.support.pair import URL, anchor_pin
from tests.support.server import NOW, make_server
from tests.support.years.audit import Audit
from tests.support.years.ca_changes import CaChanges
from tests.support.years.faults import (
    DRAWN,
    HARMLESS,
    Fuse,
    Kind,
    PowerCut,
    Weather,
    WeatheredConsumer,
    WeatheredInstaller,
    WeatheredJournal,
    WeatheredTransport,
)
from tests.support.years.key_pool import PoolKeyStore
from tests.support.years.plan import Plan

YEAR = timedelta(days=365.25)
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
"""What a clock without battery shows after a power cut."""
_STUCK = 300
_AGAIN = timedelta(minutes=1)
_REPAIRS_S = 3600.0
"""How soon a service manager starts an agent again that ended over its journal, seconds."""


class World:
    """One life.

    Args:
        plan: of the seed.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self.start = plan, NOW
        self.draw = random.Random(f"world {plan.seed}")
        self.clock = VirtualClock(NOW)
        self.offset = self.server_offset = timedelta()
        self.weather, self.tokens = Weather(), FaultPlan()
        self.fuse = Fuse(self.draw, plan.calls_to_cut)
        burn = self.fuse.burn
        self.pool = PoolKeyStore(burn)
        self.journal = WeatheredJournal(lambda: self.has(Kind.JOURNAL), burn)
        self.installer = WeatheredInstaller(lambda: self.has(Kind.DISK), burn)
        self.consumer = WeatheredConsumer(self.has, burn, self.draw)
        self.server = make_server(
            settings=plan.settings,
            random_bytes=self.draw.randbytes,
            plan=CaPlan(
                ra="split" if plan.ra == "split" else "none",
                ca_lifetime_days=plan.ca_life.days,
                ra_lifetime_days=plan.ca_life.days,
            ),
        )
        self.pin = anchor_pin(self.server)
        served = MemoryTransport(self.server.responder, lambda: self.clock() + self.server_offset)
        self.transport = WeatheredTransport(served, self.clock, self.weather, self.fuse, self.draw)
        self.password = Secret("")
        self.session: EnrollmentSession | None = None
        self.is_revoked = False
        self.audit, self.ca_changes = Audit(self), CaChanges(self)
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._seen_generation, self.taken_at = 0, NOW
        self._not_before = NOW
        self._repeats = 0

    # --- what others look at ----------------------------------------------------------------------

    @property
    def machine(self) -> EnrollmentMachine | None:
        """The machine; ``None`` without power."""
        return self.session.machine if self.session is not None else None

    @property
    def active(self) -> x509.Certificate:
        """The certificate in use."""
        assert self.machine is not None
        assert self.machine.active is not None
        return x509.load_der_x509_certificate(self.machine.active.certificate_der)

    def has(self, *kinds: Kind) -> bool:
        """Whether one of these faults is on."""
        return self.weather.has(self.clock(), *kinds)

    def device_time(self) -> datetime:
        """What the device takes for the time."""
        return self.clock() + self.offset

    # --- time -------------------------------------------------------------------------------------

    def live(self, span: timedelta) -> Audit:
        """Lets a life pass, then mends everything and looks whether all is well."""
        self.at(NOW, self._power_on)
        self.at(NOW, self._operator)
        if self.plan.is_manual:
            self.at(NOW + self.plan.approver_every, self._approver)
        self.ca_changes.expect()
        while self.clock() < NOW + span:
            self._step()
        self._mend()
        return self.audit

    def at(self, moment: datetime, deed: Callable[[], None]) -> None:
        """Has something happen."""
        heapq.heappush(self._agenda, (moment, next(self._numbers), deed))

    def later(self, seconds: float, deed: Callable[[], None]) -> None:
        """Has something happen after so many seconds."""
        self.at(self.clock() + timedelta(seconds=seconds), deed)

    def _step(self) -> None:
        event_at = self._agenda[0][0]
        deadline = self._deadline()
        moment = event_at if deadline is None else min(event_at, max(deadline, self._not_before))
        self.audit.check_liveness(moment)
        self.clock.move_to(moment)
        if moment < event_at:
            self._serve()
        else:
            heapq.heappop(self._agenda)[2]()

    def _deadline(self) -> datetime | None:
        """The agent's deadline in true time."""
        deadline = self.session.next_deadline() if self.session is not None else None
        # A driver looks at the clock at least once a minute; what is past is due now.
        return deadline and max(deadline, self.device_time()) - self.offset

    def _serve(self) -> None:
        assert self.session is not None
        before = (self.session.next_deadline(), self.session.state)
        self.feed(ev.DeadlineReached())
        is_same = self.session is not None and before == (
            self.session.next_deadline(),
            self.session.state,
        )
        self._repeats = self._repeats + 1 if is_same else 0
        assert self._repeats < _STUCK, f"the same past deadline again and again: {before}"
        self._not_before = self.clock() + _AGAIN if is_same else self.clock()

    # --- the device -------------------------------------------------------------------------------

    def _config(self) -> TrustpointConfig:
        policy = EnrollmentPolicy(
            name="lab",
            pin=self.pin,
            uses_challenge=self.plan.settings["challenge"]["mode"] != "none",
            **self.plan.policy,
        )
        subject = parse_subject("CN=router1.example.test")
        return TrustpointConfig(name="lab", url=URL, subject=subject, policy=policy)

    def _power_on(self) -> None:
        """A new process, from what the journal holds."""
        if self.session is not None:
            return
        self.audit.note("power on")
        config = self._config()
        surroundings = Surroundings(
            store=FaultyKeyStore(self.pool, self.tokens),
            journal=self.journal,
            installer=self.installer,
            challenge=ChallengeSource(lambda: self.password),
            random_bytes=self.draw.randbytes,
            clock=self.device_time,
            handoffs=(self.consumer,) if config.policy.hands_over else (),
        )
        self.session = EnrollmentSession(
            config,
            surroundings,
            rng=self.draw,
            new_transaction_id=lambda: self.draw.randbytes(16).hex().upper(),
        )
        session = self.session
        if self._run(session.start) and session.machine.active is not None:
            for event in events_to_enroll(session, self.device_time(), again=False):
                self.feed(event)

    def feed(self, event: ev.Event) -> None:
        """Tells the agent something; it may lose its power over it."""
        session = self.session
        if session is not None:
            self._run(lambda: session.process(event))

    def _run(self, work: Callable[[], object]) -> bool:
        try:
            run_exchange(work(), self.transport)  # type: ignore[arg-type]
        except PowerCut as cut:
            self._lose_power(str(cut))
            return False
        except JournalError:
            self.audit.counts["ended over its journal"] += 1
            self._stop(_REPAIRS_S)
            return False
        except IllegalEventError:
            return True
        self.audit.check()
        self._look_at_generation()
        return True

    def _lose_power(self, place: str) -> None:
        self.audit.counts["power cuts"] += 1
        self.audit.counts[f"cut {place}"] += 1
        self.audit.note(f"power cut {place}")
        self.fuse.renew()
        dark_s = self.draw.choice([0.0, 0.0, self.draw.uniform(1, 600), self._share(-3, -0.7)])
        self._stop(dark_s)
        if not self.plan.has_rtc:
            self.offset = _EPOCH - (self.clock() + timedelta(seconds=dark_s))
            wrong_s = self.draw.choice([60.0, self.draw.uniform(60, 20_000)])
            self._begin(Kind.BACK, dark_s + wrong_s)

    def _stop(self, seconds: float) -> None:
        self.session = None
        self.audit.check_power_off()
        self.audit.trouble(self.clock() + timedelta(seconds=seconds))
        self.later(seconds, self._power_on)

    # --- faults -----------------------------------------------------------------------------------

    def _share(self, low: float, high: float) -> float:
        """A time, seconds: a power of ten of the lifetime's fraction that renewals have."""
        return 0.3 * self.plan.lifetime.total_seconds() * 10 ** self.draw.uniform(low, high)

    def _look_at_generation(self) -> None:
        """A new certificate: decides what goes wrong in its life."""
        active = self.machine.active if self.machine is not None else None
        if active is None or active.generation == self._seen_generation:
            return
        self._seen_generation, self.taken_at = active.generation, self.clock()
        self.is_revoked = False
        self.audit.counts["certificates"] += 1
        due, ends = self.audit.due_at(), self.active.not_valid_after_utc
        for _ in range(self.draw.choice(self.plan.storms)):
            begins = due + (ends - due) * self.draw.uniform(-0.2, 0.95)
            kind = self.draw.choice(DRAWN)
            self.at(max(begins, self.clock()), lambda kind=kind: self._break(kind))  # type: ignore[misc]
        if self.draw.random() < 0.02:
            self.at(due, lambda: self._revoke(active.serial_number))

    def _break(self, kind: Kind) -> None:
        self._begin(kind, self._share(-3, 0.1))
        step = timedelta(days=self.draw.choice([400, 4000]), hours=1)
        if kind in (Kind.BACK, Kind.AHEAD):
            self._set_clock(step if kind is Kind.AHEAD else -step)
        elif kind is Kind.NTP:
            self._set_clock(timedelta(seconds=self.draw.uniform(-250, 250)))
        elif kind is Kind.SERVER_CLOCK:
            self.server_offset = self.ca_changes.server_step(self.draw.choice([step, -step]))
        elif kind is Kind.STORE:
            self.tokens.remove()

    def _begin(self, kind: Kind, seconds: float) -> None:
        until = self.clock() + timedelta(seconds=seconds)
        self.weather.begin(kind, until)
        self.audit.counts[kind.value] += 1
        self.audit.note(f"{kind.value} until {until:%Y-%m-%d %H:%M:%S}")
        if kind not in HARMLESS:
            self.audit.trouble(until)
        self.at(until, lambda: self._end(kind))

    def _end(self, kind: Kind) -> None:
        if not self.weather.is_over(kind, self.clock()):
            return
        self.audit.note(f"over: {kind.value}")
        if kind is Kind.STORE:
            self.tokens.insert()
        elif kind is Kind.SERVER_CLOCK:
            self.server_offset = timedelta()
        elif kind in (Kind.BACK, Kind.AHEAD, Kind.NTP) and not self.has(Kind.BACK, Kind.AHEAD):
            self._set_clock(timedelta())

    def _set_clock(self, offset: timedelta) -> None:
        """A step of the device's clock; its service notices and looks at its deadlines."""
        self.offset = offset
        self.feed(ev.DeadlineReached())

    def _revoke(self, serial_number: int) -> None:
        if self.machine is None or self.machine.active is None:
            return
        if self.machine.active.serial_number == serial_number:
            text = f"{serial_number:x}"
            self.server.administration.revoke(text.zfill(len(text) + len(text) % 2), self.clock())
            self.is_revoked = True
            self.audit.counts["revoked"] += 1

    # --- people -----------------------------------------------------------------------------------

    def _approver(self) -> None:
        """Decides on whatever waits, unless nobody is there."""
        self.later(self.plan.approver_every.total_seconds(), self._approver)
        if self.has(Kind.ABSENT, Kind.SERVER_CLOCK):
            return
        office, now = self.server.administration, self.clock()
        for request in office.pending():
            if self.has(Kind.DENIES):
                office.deny(request.request_id, now)
            else:
                office.approve(request.request_id, now)

    def _operator(self) -> None:
        """Looks after the device now and then and does what its last message says."""
        self.later(self.plan.operator_every.total_seconds(), self._operator)
        machine = self.machine
        if machine is None or self.has(Kind.OTHER_CA, Kind.SERVER_CLOCK, Kind.BACK, Kind.AHEAD):
            return
        if machine.state is State.BLOCKED:
            self._compare_fingerprints()
            self.audit.counts["unblocked"] += 1
            self.audit.trouble(self.clock())
            self.feed(ev.TrustpointConfigured())
        machine = self.machine
        is_valid = (
            machine is not None
            and machine.active is not None
            and machine.active.not_after > self.clock()
        )
        is_settled = machine is not None and machine.state not in (State.PENDING, State.REQUESTING)
        if machine is not None and is_settled and (self.is_revoked or not is_valid):
            self._enroll(machine)

    def _compare_fingerprints(self) -> None:
        """Sets the pin of a CA that the device did not get to know in time."""
        pin = self.ca_changes.pin_current()
        if pin is not None:
            self.audit.counts["another pin"] += 1
            self.audit.note("the operator sets another fingerprint")
            self.pin, self.session = pin, None
            self._power_on()

    def _enroll(self, machine: EnrollmentMachine) -> None:
        self.password = self.server.challenge.issue("admin", self.clock()) or Secret("")
        self.audit.counts["asked to enroll"] += 1
        self.audit.note("the operator enrolls")
        needs_password = machine.state is State.NEEDS_CHALLENGE
        self.feed(ev.ChallengeProvided() if needs_password else ev.EnrollRequested())

    def _mend(self) -> None:
        """No fault is left: the device has to come to a valid certificate and its key alone."""
        self.weather.clear()
        people = (self._operator, self._approver, self._power_on, self.ca_changes.announce)
        self._agenda = [entry for entry in self._agenda if entry[2] in people]
        heapq.heapify(self._agenda)
        self.tokens.disarm()
        self.fuse.mean = self.fuse.left = 10**9
        self.server_offset = timedelta()
        self._set_clock(timedelta())
        self.audit.trouble(self.clock())
        self._look_at_generation = lambda: None  # type: ignore[method-assign]
        self._power_on()
        ends = self.clock() + self.plan.patience + 3 * self.plan.operator_every
        while self.clock() < ends:
            self._step()
        self.session = None
        self._power_on()
        machine = self.machine
        assert machine is not None
        assert machine.active is not None, f"no certificate in {machine.state}"
        assert self.active.not_valid_after_utc > self.clock(), f"ended, in {machine.state}"
        assert machine.retired_keys == ()
