"""One trustpoint of an emulated device: its session, and the work that waits for it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.events import DeadlineReached, Event, TrustpointConfigured
from sceplab_agent.core.states import State
from sceplab_agent.exchange import Exchange, run_exchange
from sceplab_agent.journal import Journal
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import HttpTransport
from sceplab_devices.api import TrustpointSettings
from sceplab_hsm.secret import Secret
from sceplab_lab.worker import Worker

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Notebook:
    """What a console asks for and the machine does not keep."""

    last_status: str = ""
    csr_der: bytes | None = None
    """Request of the last transaction."""
    received_ca_der: tuple[bytes, ...] = ()
    """Certificates of the last GetCACert, trusted or not."""
    is_renewing: bool = False


class PortTrustpoint:
    """Feeds one session.

    Args:
        settings: as configured.
        make_session: builds the session from the present settings and challenge.
        journal: closed by `close`.
        transport: reaches the server.
        worker: where exchanges run.
        refused: told of an intent that the present state does not allow.
        changed: called in the owner's thread when an exchange has ended.
    """

    def __init__(
        self,
        settings: TrustpointSettings,
        *,
        make_session: Callable[[PortTrustpoint], EnrollmentSession],
        journal: Journal,
        transport: HttpTransport,
        worker: Worker,
        refused: Callable[[str, Event, str], None],
        changed: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.challenge = Secret("")
        self.notebook = Notebook()
        self._make_session = make_session
        self.journal = journal
        self._transport = transport
        self._worker = worker
        self._refused = refused
        self._changed = changed
        self._waiting: deque[Callable[[], Exchange[None]]] = deque()
        self._is_busy = False
        self._is_closed = False
        self._served: datetime | None = None
        self.session = make_session(self)
        self._enqueue(self.session.start)

    @property
    def is_busy(self) -> bool:
        """Whether an exchange is under way or waits."""
        return self._is_busy

    def reconfigure(self, settings: TrustpointSettings) -> None:
        """Goes on with other settings, from where the journal says we are."""
        self.settings = settings
        self._enqueue(self._renew_session)

    def feed(self, event: Event) -> None:
        """Has an event handled, after what is under way."""
        self._enqueue(lambda: self._process(event))

    def enroll(self, event: Event, challenge: str) -> None:
        """Starts an enrollment with this challenge password."""
        self.challenge = Secret(challenge)
        self._enqueue(self._renew_session)
        self.feed(event)

    def next_deadline(self) -> datetime | None:
        """When `serve_deadline` is due; ``None`` while it works or when nothing is due."""
        if self._is_busy or self._is_closed:
            return None
        deadline = self.session.next_deadline()
        return None if deadline == self._served else deadline

    def serve_deadline(self) -> None:
        """Tells the machine that its moment has come."""
        self._served = self.session.next_deadline()
        self.feed(DeadlineReached())

    def close(self) -> None:
        """Ends it after the exchange under way; what waits is dropped."""
        self._is_closed = True
        self._waiting.clear()
        if not self._is_busy:
            self.journal.close()

    def _enqueue(self, make_exchange: Callable[[], Exchange[None]]) -> None:
        if self._is_closed:
            return
        self._waiting.append(make_exchange)
        if not self._is_busy:
            self._run_next()

    def _run_next(self) -> None:
        self._is_busy = True
        make_exchange = self._waiting.popleft()
        self._worker.run(lambda: run_exchange(make_exchange(), self._transport), self._done)

    def _done(self, error: BaseException | None) -> None:
        self._is_busy = False
        if error is not None:
            logger.error("trustpoint %s: %s", self.settings.name, error, exc_info=error)
        if self._is_closed:
            self.journal.close()
        elif self._waiting:
            self._run_next()
        else:
            self._changed()

    def _renew_session(self) -> Exchange[None]:
        self.session = self._make_session(self)
        yield from self.session.start()
        if self.session.state is not State.CONFIGURED:
            yield from self.session.process(TrustpointConfigured())

    def _process(self, event: Event) -> Exchange[None]:
        try:
            yield from self.session.process(event)
        except IllegalEventError as error:
            self._refused(self.settings.name, event, str(error))
