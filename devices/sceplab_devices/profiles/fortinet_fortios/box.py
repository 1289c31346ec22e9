"""A FortiGate: configuration, open edits, log and certificates, shared by all its sessions."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, Unpack

from sceplab_devices.api import PortEvent
from sceplab_devices.batch import carry_out
from sceplab_devices.context import CommandContext
from sceplab_devices.device import CommonSettings, Device
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.fortinet_fortios import hidden
from sceplab_devices.profiles.fortinet_fortios.config_text import Writer
from sceplab_devices.profiles.fortinet_fortios.configuration import (
    Configuration,
    Entry,
    Words,
)
from sceplab_devices.profiles.fortinet_fortios.open_edit import OpenEdit
from sceplab_devices.profiles.fortinet_fortios.schema import Schema, Table, read_schema
from sceplab_devices.profiles.fortinet_fortios.words import whole_lines

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile
    from sceplab_devices.profiles.fortinet_fortios.authorities import CaImport
    from sceplab_devices.profiles.fortinet_fortios.commands import Command
    from sceplab_devices.profiles.fortinet_fortios.paths import Path
    from sceplab_devices.session import Session

logger = logging.getLogger(__name__)

GLOBAL, CONSOLE, ADMIN = "system global", "system console", "system admin"
PAGE_LINES = 24
SERIAL_NUMBER = "FGT60FTK00000001"
_KEPT_LOG_LINES = 1000


@lru_cache(maxsize=8)
def language_data(profile: DeviceProfile) -> tuple[Schema, dict[Path, Command]]:
    """Schema and commands of a profile, read once for all its boxes."""
    from sceplab_devices.profiles.fortinet_fortios.commands import read_commands

    schema = read_schema(profile.name, profile.data["tables"])
    return schema, read_commands(profile.name, profile.data["commands"])


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A line of the event log."""

    at: datetime
    level: str
    text: str
    """Fields behind the level."""


@dataclass(slots=True)
class Debugging:
    """What ``diagnose debug`` turned on."""

    applications: dict[str, int] = field(default_factory=dict)
    """Level by daemon."""


class FortiGate(Device):
    """State of one box.

    Attributes:
        schema: tables it can have.
        commands: what can be typed besides, by words.
        config: the configuration in force.
        edits: what sessions are editing, by the ticket of their mode.
        events: the event log, oldest first.
        debugging: debug topics.
        waits_for_ca: local certificates that enroll once their CA is trusted.
        failed_requests: local certificates whose enrollment came to nothing.
        requests: last request (DER) of local certificates that have none yet.
        imports: CA imports under way, by trustpoint.
        import_number: of the last one.
        warned: names and ends of certificates whose end was warned of.
        started_at: when it came up.
        clock_offset: what ``execute date`` and ``execute time`` changed.
        serial_number: of the box.
        is_restoring: a saved configuration is being read.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        serial_number: str = SERIAL_NUMBER,
        **common: Unpack[CommonSettings],
    ) -> None:
        """Makes a box as delivered.

        Args:
            profile: what `create_profile` gives.
            serial_number: as ``get system status`` shows it.
            common: as `Device` takes them. Without users there is ``admin`` without a password.
        """
        self.schema, self.commands = language_data(profile)
        self.config = Configuration(self.schema)
        self.edits: dict[str, OpenEdit] = {}
        self.events: deque[LoggedEvent] = deque(maxlen=_KEPT_LOG_LINES)
        self.debugging = Debugging()
        self.waits_for_ca: set[str] = set()
        self.failed_requests: set[str] = set()
        self.requests: dict[str, bytes] = {}
        self.imports: dict[str, CaImport] = {}
        self.import_number = 0
        self.warned: set[tuple[str, datetime]] = set()
        self.clock_offset = timedelta()
        self.is_restoring = False
        self.serial_number = serial_number
        self._tickets = 0
        super().__init__(profile, **common)
        self.started_at = self.now()
        self.single(GLOBAL).values["hostname"] = (self.hostname,)
        if self.users:
            self._take_users(self.users)

    # --- configuration ------------------------------------------------------------------------

    def single(self, path: str) -> Entry:
        """The only entry of an object."""
        entry = self.config.entry(path)
        assert entry is not None, "objects are always there"
        return entry

    def setting(self, path: str, attribute: str) -> str:
        """First word of an object's attribute, default included."""
        return self.config.value(path, attribute)

    @property
    def has_vdoms(self) -> bool:
        """Virtual domains are enabled."""
        return self.setting(GLOBAL, "vdom-mode") == "multi-vdom"

    @property
    def page_lines(self) -> int:
        """Lines of a page of every session; 0: no paging."""
        return PAGE_LINES if self.setting(CONSOLE, "output") == "more" else 0

    @property
    def idle_limit_s(self) -> float:
        """Idle time that ends a session, seconds; 0, that is never, unless one was configured."""
        return float(self.single(GLOBAL).text("admintimeout") or 0) * 60.0

    def new_ticket(self, edit: OpenEdit) -> str:
        """Keeps what a session begins to edit."""
        self._tickets += 1
        ticket = str(self._tickets)
        self.edits[ticket] = edit
        return ticket

    def current(self, session: Session) -> OpenEdit | None:
        """What a session is editing right now."""
        return self.edits.get(session.mode_values.get("ticket", ""))

    def live(self, table: Table, name: str) -> Mapping[str, Words]:
        """What the enrollment engine says of an entry, by attribute."""
        from sceplab_devices.profiles.fortinet_fortios.local_certificates import live_values

        return live_values(self, name) if table.path == "vpn certificate local" else {}

    # --- saving -------------------------------------------------------------------------------

    def saved_text(self) -> str:
        """The configuration as it is saved: no private key is in it."""
        header = self.profile.text("config.header")
        lines = Writer(schema=self.schema, with_hidden=True).whole(
            self.config, skipped=("vdom", "system accprofile")
        )
        return "".join(f"{line}\n" for line in [header, *lines])

    def changed(self) -> None:
        """Something was configured or enrolled; saves it where that goes by itself."""
        if self.setting(GLOBAL, "cfg-save") == "automatic":
            self.save()

    def save(self) -> bool:
        """Saves the configuration; false when it cannot be kept."""
        if self.is_restoring:
            return True
        try:
            self.on_save(self.saved_text())
        except DeviceError:
            logger.exception("%s: the configuration is not saved", self.hostname)
            return False
        return True

    def restore(self, text: str) -> None:
        """See `Device.restore`."""
        if not text:
            return
        self.is_restoring = True
        try:
            lines = ["" if line.startswith("#") else line for line in whole_lines(text)]
            for remark in carry_out(self, lines, mode="exec"):
                logger.warning("%s: saved %s", self.hostname, remark.for_log())
        finally:
            self.is_restoring = False

    # --- users --------------------------------------------------------------------------------

    def _take_users(self, users: dict[str, str]) -> None:
        rows = self.config.rows(ADMIN)
        rows.clear()
        for name, password in users.items():
            secret = (hidden.hash_login(password),) if password else ()
            rows[name] = Entry({"accprofile": ("super_admin",), "password": secret})

    @property
    def asks_login(self) -> bool:
        """See `Device.asks_login`: every line asks."""
        return True

    def accepts_login(self, user: str, password: str) -> bool:
        """See `Device.accepts_login`."""
        entry = self.config.entry(ADMIN, user)
        if entry is None:
            return False
        known = entry.text("password")
        return hidden.matches_login(known, password) if known else not password

    # --- log ----------------------------------------------------------------------------------

    def box_time(self) -> datetime:
        """What the box believes the time to be, aware UTC."""
        return self.now() + self.clock_offset

    def log_event(self, key: str, *, at: datetime | None = None, **values: object) -> None:
        """Adds a text of ``[texts.log]`` to the event log: level, then fields."""
        level, _, text = self.profile.text(f"log.{key}", **values).partition(" ")
        self.events.append(LoggedEvent(at or self.box_time(), level, text))

    def debug(self, application: str, key: str, **values: object) -> None:
        """Shows a text of ``[texts.debug]`` where ``diagnose debug enable`` was typed."""
        if application not in self.debugging.applications:
            return
        for line in self.profile.text(f"debug.{key}", **values).splitlines():
            for console in tuple(self.consoles):
                if console.session.monitor:
                    console.log_line(line)

    def tick(self, now: datetime) -> None:
        """See `Device.tick`."""
        self.on_deadline(now)
        super().tick(now)

    def next_deadline(self) -> datetime | None:
        """See `Device.next_deadline`: the next warning of a certificate that ends."""
        from sceplab_devices.profiles.fortinet_fortios.port_events import next_warning

        due = next_warning(self)
        return None if due is None else due - self.clock_offset

    def on_deadline(self, now: datetime) -> None:
        """See `Device.on_deadline`."""
        from sceplab_devices.profiles.fortinet_fortios.port_events import warn_of_ends

        warn_of_ends(self)

    def handle_event(self, event: PortEvent) -> None:
        """See `Device.handle_event`."""
        from sceplab_devices.profiles.fortinet_fortios.port_events import report

        report(self, event)


Context: TypeAlias = CommandContext[FortiGate]
"""What every handler of this profile gets."""
