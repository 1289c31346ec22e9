"""One box: what its sessions share. Profiles subclass `Device` for their own state and log format.

Everything here runs in one thread (the event loop's). Whoever publishes port events from elsewhere
hands them over to that thread first.
"""

from __future__ import annotations

import hmac
import logging
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Required, TypedDict

from sceplab_devices.api import (
    EnrollmentPort,
    KeyView,
    PortEvent,
    TrustpointSettings,
    TrustpointView,
)
from sceplab_devices.console import Console
from sceplab_devices.errors import DeviceError
from sceplab_devices.session import CONSOLE_LINE, LineInfo, Session

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

logger = logging.getLogger(__name__)

LOG_BUFFER_LINES = 1000


class CommonSettings(TypedDict, total=False):
    """What every `Device` is made with; classes with settings of their own pass it on."""

    hostname: Required[str]
    port: Required[EnrollmentPort]
    clock: Required[Callable[[], datetime]]
    users: dict[str, str] | None
    enable_password: str


class Device:
    """State of one emulated device.

    Attributes:
        profile: its platform.
        hostname: as prompts show it; handlers change it.
        port: the enrollment engine behind it.
        users: login name to password; empty: no login is asked for.
        enable_password: asked by ``enable``; empty: ``enable`` asks nothing.
        log_buffer: the last log lines, oldest first.
        consoles: open sessions, oldest first.
        on_save: called with the configuration's text whenever it is saved; empty text: erased.
            Raises `DeviceError` when it cannot be kept.
        on_reload: called when the operator has the box start anew. Whoever hosts the device ends
            its sessions and puts a new device in its place, with what was saved; without a host
            nothing happens.
        on_session: called before each session opens, for hosts that prepare a box when somebody
            comes.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        hostname: str,
        port: EnrollmentPort,
        clock: Callable[[], datetime],
        users: dict[str, str] | None = None,
        enable_password: str = "",
    ) -> None:
        """Makes a box as delivered.

        Args:
            profile: its platform.
            hostname: shown in prompts.
            port: enrollment engine of this box.
            clock: aware UTC.
            users: login name to password; empty: no login.
            enable_password: asked by ``enable``, on platforms that have it.
        """
        self.profile = profile
        self.hostname = hostname
        self.port = port
        self.users: dict[str, str] = dict(users or {})
        self.enable_password = enable_password
        self.log_buffer: deque[str] = deque(maxlen=LOG_BUFFER_LINES)
        self.consoles: list[Console] = []
        self.on_save: Callable[[str], None] = _forget_text
        self.on_reload: Callable[[], None] = _stay
        self.on_session: Callable[[], None] = _prepare_nothing
        self._clock = clock
        self._configured_by: Session | None = None
        port.subscribe(self._receive_event)

    def now(self) -> datetime:
        """The device's time, aware UTC."""
        return self._clock()

    def open_console(self, line: LineInfo = CONSOLE_LINE, *, user: str = "") -> Console:
        """A new session on ``line``. The caller sends what `Console.open` returns first.

        Args:
            line: where it comes from.
            user: who the line itself has let in (SSH); the opening dialog asks nobody again.
        """
        self.on_session()
        console = Console(self, line, user=user)
        self.consoles.append(console)
        return console

    def forget_console(self, console: Console) -> None:
        """Called by a console that closes."""
        if console in self.consoles:
            self.consoles.remove(console)

    def log(self, text: str) -> None:
        r"""Keeps a complete log line (may contain ``\\n``) and shows it where logging is shown.

        On a terminal that carries out a command the line comes once the terminal waits for the
        operator again: behind the next prompt or question.
        """
        self.log_buffer.append(text)
        for console in tuple(self.consoles):
            if console.session.monitor:
                console.log_line(text)

    def view(self, name: str) -> TrustpointView:
        """How a trustpoint of the enrollment engine stands."""
        return self.port.view(name)

    def key_pairs(self) -> list[KeyView]:
        """All key pairs, oldest first."""
        return self.port.keys()

    def find_key(self, label: str) -> KeyView | None:
        """The key pair of a label."""
        return next((key for key in self.key_pairs() if key.label == label), None)

    def configure_port(self, settings: TrustpointSettings) -> str:
        """Tells the enrollment engine of a trustpoint.

        Returns:
            Why it cannot work with it (a key size no key store has, for example); empty: it can.
        """
        try:
            self.port.configure(settings)
        except (DeviceError, ValueError) as error:
            return str(error) or type(error).__name__
        return ""

    def restore(self, text: str) -> None:
        """Hook for profiles: comes up with the configuration that was saved last.

        Args:
            text: as `on_save` got it; empty: none was saved.
        """

    def take_configuration(self, session: Session) -> Session | None:
        """Reserves the configuration for one session until it lets go or ends.

        Returns:
            Whoever has it; ``None``: it is this session's now.
        """
        if self._configured_by not in (None, session):
            return self._configured_by
        self._configured_by = session
        return None

    def release_configuration(self, session: Session) -> None:
        """The session does not need the configuration for itself any more."""
        if self._configured_by is session:
            self._configured_by = None

    @property
    def configured_by(self) -> Session | None:
        """Session that has the configuration for itself."""
        return self._configured_by

    def prompt_values(self, session: Session) -> Mapping[str, str]:
        """Hook for profiles: what prompts may name besides host name, mark and values of modes."""
        return {"user": session.user}

    def store_output(self, url: str, text: str, *, append: bool) -> str:
        """Hook for profiles: keeps what an output filter sends to a file.

        Args:
            url: as typed.
            text: lines with their ends.
            append: behind what is there.

        Returns:
            What the terminal says about it; empty: nothing, it is kept.
        """
        return self.profile.error("unwritable", url=url)

    def matches_password(self, password: str, typed: str) -> bool:
        """Hook for profiles that keep hashes: whether what was typed is this password."""
        return hmac.compare_digest(password.encode(), typed.encode())

    @property
    def asks_login(self) -> bool:
        """Hook for profiles: whether a network line has to ask who is there."""
        return bool(self.users)

    def accepts_login(self, user: str, password: str) -> bool:
        """Hook for profiles: whether ``user`` may come in with this password."""
        known = self.users.get(user)
        return known is not None and self.matches_password(known, password)

    def handle_event(self, event: PortEvent) -> None:
        """Hook for profiles: the enrollment engine reported something; dialogs see it next."""

    def next_deadline(self) -> datetime | None:
        """Hook for profiles: when `on_deadline` is due; ``None``: nothing is. Asked often."""
        return None

    def on_deadline(self, now: datetime) -> None:
        """Hook for profiles: `next_deadline` has come, and is later afterwards."""

    def tick(self, now: datetime) -> None:
        """Lets every console look at its deadlines; for clocks that jump."""
        for console in tuple(self.consoles):
            console.tick(now)

    def _receive_event(self, event: PortEvent) -> None:
        try:
            self.handle_event(event)
        except Exception:
            logger.exception("%s: handling of %s failed", self.hostname, event.kind)
        for console in tuple(self.consoles):
            console.notify(event)


def _forget_text(_text: str) -> None:
    """For devices whose saved configuration nobody keeps."""


def _stay() -> None:
    """For devices that nobody can start anew."""


def _prepare_nothing() -> None:
    """For devices that were ready from the start."""
