"""One trustpoint of an emulated device: its session, and the work that waits for it.

Everything here belongs to the owner's thread but what an exchange does: that runs in the worker,
one exchange at a time, and the session changes only between two of them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.core.errors import IllegalEventError, SnapshotError
from sceplab_agent.core.events import (
    DeadlineReached,
    EnrollRequested,
    Event,
    RenewRequested,
    TrustpointConfigured,
)
from sceplab_agent.core.model import Goal
from sceplab_agent.core.snapshot import read_snapshot
from sceplab_agent.core.states import State
from sceplab_agent.errors import JournalError
from sceplab_agent.exchange import Exchange, run_exchange
from sceplab_agent.journal import Journal
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import HttpTransport
from sceplab_devices.api import TrustpointSettings
from sceplab_hsm.secret import Secret
from sceplab_lab.breakdown import describe_breakdown, retry_after_s
from sceplab_lab.pending_request import PendingRequest
from sceplab_lab.port_lifetime import Lifetime, LifetimeTransport
from sceplab_lab.port_views import Standing, is_pending, standing_of
from sceplab_lab.request_file import RequestFile
from sceplab_lab.worker import Worker

logger = logging.getLogger(__name__)

_NO_CHALLENGE = Secret("")
_GOALS = {EnrollRequested: Goal.ENROLL, RenewRequested: Goal.RENEW}
_CUT_OFF = frozenset(
    {
        State.CA_FETCH,
        State.RENEW_DUE,
        State.CA_PINNED,
        State.KEYGEN,
        State.REQUESTING,
        State.ISSUED_UNVERIFIED,
    }
)
"""States in which a new start goes on by itself."""


_AT_REST = frozenset(
    {
        State.UNCONFIGURED,
        State.CONFIGURED,
        State.BLOCKED,
        State.CA_PINNED,
        State.INSTALLED,
        State.ROLLOVER,
        State.EXPIRED_TXN,
        State.FAILED,
    }
)
"""States in which nothing is wanted of the server."""


@dataclass(slots=True, kw_only=True)
class Notebook:
    """What a console asks for and the machine does not keep. Written in the worker's thread."""

    last_status: str = ""
    csr_der: bytes | None = field(default=None, repr=False)
    """Request of the open transaction, when it was made since the start. Holds the challenge
    password."""
    pending: PendingRequest | None = None
    """What is kept of the request of the open transaction."""
    received_ca_der: tuple[bytes, ...] = ()
    """Certificates of the last GetCACert, trusted or not."""
    is_renewing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a trustpoint has its owner do, always in the owner's thread unless said otherwise."""

    make_session: Callable[[PortTrustpoint], EnrollmentSession]
    """Builds the session from settings, challenge and journal."""
    refused: Callable[[PortTrustpoint, Event, str], None]
    """Told of an intent that the present state does not allow; in the worker's thread."""
    broke_off: Callable[[PortTrustpoint, Event | None, Goal, str], None]
    """Told of an exchange that raised: what it was to handle, what for, why it ended."""
    stands: Callable[[PortTrustpoint], None]
    """Told that `PortTrustpoint.standing` is another one."""
    changed: Callable[[PortTrustpoint], None]
    """Called when an exchange has ended and nothing waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One piece of work: an event, and what changes before it is handled."""

    event: Event | None = None
    settings: TrustpointSettings | None = None
    challenge: Secret | None = None

    @property
    def is_change(self) -> bool:
        """Whether the session has to be built anew for it."""
        return self.settings is not None or self.challenge is not None


class PortTrustpoint:
    """Feeds one session. `start` comes first.

    Args:
        settings: as configured.
        journal: closed by `close` and `abandon`.
        request_file: keeps the request of an open transaction.
        transport: reaches the server.
        worker: where exchanges run.
        clock: now, aware UTC.
        hooks: the owner's.

    Raises:
        JournalError: the journal's snapshot cannot be used.
    """

    def __init__(
        self,
        settings: TrustpointSettings,
        *,
        journal: Journal,
        request_file: RequestFile,
        transport: HttpTransport,
        worker: Worker,
        clock: Callable[[], datetime],
        hooks: Hooks,
    ) -> None:
        self.settings = settings
        self.wanted = settings
        self.journal = journal
        self._request_file = request_file
        self.lifetime = Lifetime()
        self.notebook = Notebook()
        self.breakdown = ""
        self.challenge_source = ChallengeSource(lambda: self.challenge)
        self._typed = _NO_CHALLENGE
        self._transport = LifetimeTransport(transport, self.lifetime)
        self._worker = worker
        self._clock = clock
        self._hooks = hooks
        self._waiting: deque[_Step] = deque()
        self._is_busy = False
        self._is_closed = False
        self._is_started = False
        self._is_changed = False
        self._is_broken = False
        self._breakdowns = 0
        self._served: datetime | None = None
        self._retry_at: datetime | None = None
        self.session = hooks.make_session(self)
        self._remember_request()
        self.standing: Standing = standing_of(self)

    @property
    def is_busy(self) -> bool:
        """Whether an exchange is under way or waits."""
        return self._is_busy

    @property
    def challenge(self) -> Secret:
        """Challenge password in force: the one typed for this enrollment, else the configured."""
        return self._typed or Secret(self.settings.challenge)

    def note_request(self, csr_der: bytes) -> None:
        """The session has made this request for its transaction; in the worker's thread."""
        self.notebook.csr_der = csr_der
        self.notebook.pending = PendingRequest.of(csr_der)
        transaction = self.session.machine.transaction
        if transaction is not None and not self.lifetime.is_over:
            self._request_file.save(transaction.transaction_id, self.notebook.pending)

    def take_note(self, standing: Standing) -> None:
        """From now on the trustpoint stands like this, for everybody who asks."""
        self.standing = standing
        self._hooks.stands(self)

    def start(self) -> None:
        """Sets the trustpoint up, or resumes what a restart of the process has cut off."""
        self._enqueue(_Step())

    def reconfigure(self, settings: TrustpointSettings) -> None:
        """Goes on with other settings, from where the journal says we are."""
        self.wanted = settings
        self._enqueue(_Step(settings=settings))

    def feed(self, event: Event) -> None:
        """Has an event handled, after what is under way."""
        self._enqueue(_Step(event=event))

    def enroll(self, event: Event, challenge: str) -> None:
        """Starts an enrollment with this challenge password, which is forgotten at its end."""
        self._enqueue(_Step(event=event, challenge=Secret(challenge)))

    def next_deadline(self) -> datetime | None:
        """When `serve_deadline` is due; ``None`` while it works or when nothing is due."""
        if self._is_busy or self._is_closed:
            return None
        if self._retry_at is not None:
            return self._retry_at
        deadline = self.session.next_deadline()
        return None if deadline == self._served else deadline

    def serve_deadline(self) -> None:
        """Tells the machine that its moment has come, or starts again after a breakdown."""
        if self._retry_at is not None:
            self._enqueue(_Step())
            return
        self._served = self.session.next_deadline()
        self.feed(DeadlineReached())

    @property
    def has_orders(self) -> bool:
        """Whether an intent waits or is being followed; setting up alone is none."""
        return self._is_busy and (self._is_started or bool(self._waiting))

    def close(self) -> None:
        """Ends it after the exchange under way; what waits is dropped."""
        self._is_closed = True
        self._waiting.clear()
        if not self._is_busy:
            self.journal.close()

    def abandon(self) -> frozenset[str]:
        """Ends it at once: what is under way comes to nothing. The journal is closed.

        Returns:
            Names of the keys that were made for a certificate which is not active.
        """
        self._is_closed = True
        self._waiting.clear()
        self.lifetime.end()
        self._forget_challenge()
        doomed = self._keys_in_the_making()
        self.journal.close()
        return doomed

    # --- inside -----------------------------------------------------------------------------------

    def _enqueue(self, step: _Step) -> None:
        if self._is_closed:
            return
        self._waiting.append(step)
        if not self._is_busy:
            self._run_next()

    def _run_next(self) -> None:
        self._is_busy = True
        step = self._waiting.popleft()
        try:
            exchange = self._prepare(step)
        except Exception as error:
            self._done(step, error)
            return
        self._worker.run(
            lambda: run_exchange(exchange, self._transport),
            lambda error: self._done(step, error),
        )

    def _prepare(self, step: _Step) -> Exchange[None]:
        self.settings = step.settings or self.settings
        if step.challenge is not None:
            self._typed = step.challenge
        self._is_changed = self._is_changed or step.is_change
        if step.is_change or self._is_broken:
            self._renew_session()
        self.standing = standing_of(self)
        return self._course(step.event, starts=not self._is_started, is_changed=self._is_changed)

    def _course(self, event: Event | None, *, starts: bool, is_changed: bool) -> Exchange[None]:
        """What runs in the worker. The session stays the same until it has ended."""
        session = self.session
        if starts:
            is_served = _resumes(session, event)
            yield from session.start()
            event = None if is_served else event
        if is_changed and session.state is not State.CONFIGURED:
            yield from session.process(TrustpointConfigured())
        if event is None:
            return
        try:
            yield from session.process(event)
        except IllegalEventError as error:
            self._hooks.refused(self, event, str(error))

    def _renew_session(self) -> None:
        self._is_broken, self._is_started = True, False
        self.session = self._hooks.make_session(self)
        self._is_broken = False

    def _done(self, step: _Step, error: BaseException | None) -> None:
        self._is_busy = False
        if self._is_closed:
            logger.info("trustpoint %s: ended with work under way", self.settings.name)
            self.journal.close()
            self._hooks.changed(self)
            return
        if error is None:
            self._is_started, self._is_changed = True, False
            self._retry_at = None
            if step.event is not None:  # a new start alone proves nothing
                self._breakdowns, self.breakdown = 0, ""
        else:
            self._break_off(step, error)
        self._come_to_rest()
        if self._waiting:
            self._run_next()
        else:
            self._hooks.changed(self)

    def _break_off(self, step: _Step, error: BaseException) -> None:
        """After an exchange that raised: from where the journal says we are, a little later."""
        goal = self.session.machine.goal
        self._breakdowns += 1
        self._served = None
        wait_s = retry_after_s(self._breakdowns)
        self._retry_at = self._clock() + timedelta(seconds=wait_s)
        self.breakdown = self.challenge_source.redact(describe_breakdown(error))
        logger.error("trustpoint %s: %s; again in %d s", self.settings.name, self.breakdown, wait_s)
        self.notebook.last_status = "failed"
        try:
            self._renew_session()
        except Exception as unusable:
            logger.warning(
                "trustpoint %s: its journal cannot be read now: %s",
                self.settings.name,
                describe_breakdown(unusable),
            )
        self.standing = standing_of(self)
        self._hooks.broke_off(self, step.event, goal, self.breakdown)

    def _come_to_rest(self) -> None:
        machine = self.session.machine
        if machine.goal is not Goal.ENROLL or machine.state is State.NEEDS_CHALLENGE:
            self._forget_challenge()
        if machine.transaction is None:
            self.notebook.csr_der = None
            if self.notebook.pending is not None:
                self.notebook.pending = None
                self._request_file.drop()
        self.take_note(standing_of(self))

    def _remember_request(self) -> None:
        """Takes up what is kept of the transaction that the journal says is open."""
        machine = self.session.machine
        transaction = machine.transaction
        self.notebook.pending = self._request_file.load(
            None if transaction is None else transaction.transaction_id
        )
        if is_pending(machine.state, transaction):
            self.notebook.last_status = "pending"

    def _forget_challenge(self) -> None:
        """The enrollment it was typed for is over: a device keeps what is configured, no more."""
        self._typed = _NO_CHALLENGE
        self.challenge_source.forget()

    def _keys_in_the_making(self) -> frozenset[str]:
        name = self.settings.name
        try:
            # The machine is the worker's; every key stands in the journal before it is made.
            stored = self.journal.snapshot(name)
            model = None if stored is None else read_snapshot(stored.body)
        except (JournalError, SnapshotError) as error:
            logger.warning("trustpoint %s: keys of its renewal may stay: %s", name, error)
            return frozenset()
        if model is None:
            return frozenset()
        made = {model.new_key.key_id} if model.new_key and model.new_key.is_ours else set()
        active = {model.active.key_id} if model.active else set()
        return frozenset((made | set(model.retired_keys)) - active)


def _resumes(session: EnrollmentSession, event: Event | None) -> bool:
    """Whether a new start does what the event asks for, because that broke off before."""
    goal = _GOALS.get(type(event))
    return session.state in _CUT_OFF and session.machine.goal is goal


def is_under_way(trustpoint: PortTrustpoint) -> bool:
    """Whether the trustpoint wants something of its server at this moment."""
    state = trustpoint.standing.view.state
    return State(state) not in _AT_REST or trustpoint.has_orders
