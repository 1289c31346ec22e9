"""An ASA: configuration, log and bookkeeping, shared by all its sessions."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias, Unpack

from sceplab_devices.api import PortEvent
from sceplab_devices.context import CommandContext
from sceplab_devices.device import CommonSettings, Device
from sceplab_devices.profiles.cisco.dates import MONTHS
from sceplab_devices.profiles.cisco.device import CiscoDevice
from sceplab_devices.profiles.cisco.store import Block
from sceplab_devices.profiles.cisco_asa.passwords import is_hashed, matches_hash
from sceplab_devices.profiles.cisco_asa.running_config import RunningConfig
from sceplab_devices.profiles.cisco_asa.trustpoint import Trustpoint, settings_of
from sceplab_devices.session import Session

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

FULL_PRIVILEGE = 15
_SEVERITY = re.compile(r"%ASA-([0-7])-")
_LEVELS = (
    "emergencies", "alerts", "critical", "errors", "warnings", "notifications", "informational",
    "debugging",
)  # fmt: skip
_RUNNING = frozenset({"KEYGEN", "REQUESTING", "PENDING", "RETRY_WAIT", "ISSUED_UNVERIFIED"})
"""Machine states in which a request is under way."""


class Firewall(CiscoDevice):
    """State of one firewall.

    Attributes:
        serial_number: of the box, as certificates name it.
        saved_at: when, for its head; ``None``: not since it came up.
        saved_by: whose rights the terminal had that saved it.
        changed_by: whose rights the terminal had that entered configuration mode last.
        logged: log lines so far.
        enrolling: session that asked for the running enrollment, by trustpoint.
    """

    config: RunningConfig

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        serial_number: str = "",
        **common: Unpack[CommonSettings],
    ) -> None:
        """Makes a firewall as delivered.

        Args:
            profile: what `create_profile` gives.
            serial_number: as certificates name it; empty: the profile's.
            common: as `Device` takes them. Users have all rights; without ``enable_password``
                Enter alone is right.
        """
        self.serial_number = serial_number or str(profile.data["serial_number"])
        self.config = RunningConfig()
        for name in profile.data["interfaces"]:
            block = Block(f"interface {name}", {"shutdown": "shutdown"})
            self.config.interfaces[name] = block
        self.config.privileges = dict.fromkeys(common.get("users") or {}, FULL_PRIVILEGE)
        self.config.lines["logging"] = {
            " ".join(line.split()[:2]): line for line in profile.data["factory_logging"]
        }
        self.saved_at: datetime | None = None
        self.saved_by = ""
        self.changed_by = f"enable_{FULL_PRIVILEGE}"
        self.logged = 0
        self.enrolling: dict[str, Session] = {}
        super().__init__(profile, **common)

    # --- log ----------------------------------------------------------------------------------

    def log(self, text: str) -> None:
        """Counts a complete log line; keeps and shows it where ``logging`` sends its level."""
        self.logged += 1
        found = _SEVERITY.search(text)
        severity = int(found[1]) if found else 0
        if severity <= self._log_level("buffered"):
            self.log_buffer.append(text)
        for console in tuple(self.consoles):
            target = "console" if console.session.line.kind == "console" else "monitor"
            if console.session.monitor and severity <= self._log_level(target):
                console.log_line(text)

    def _log_level(self, target: str) -> int:
        """Highest severity number that goes there; -1: none does."""
        line = self.config.lines.get("logging", {}).get(f"logging {target}")
        if line is None:
            return -1
        word = line.split()[-1]
        fitting = [number for number, name in enumerate(_LEVELS) if name.startswith(word)]
        return int(word) if word.isdecimal() else min(fitting, default=len(_LEVELS) - 1)

    def syslog(self, key: str, **values: object) -> None:
        """Logs a text of ``[texts.syslog]``, unless logging is off."""
        if not self.config.has_line("logging", "logging enable"):
            return
        stamp = ""
        if self.config.has_line("logging", "logging timestamp"):
            at = self.config.zone.local(self.now())
            stamp = f"{MONTHS[at.month - 1]} {at:%d %Y %H:%M:%S}: "
        self.log(stamp + self.profile.text(f"syslog.{key}", **values))

    def tell(self, trustpoint: str, text: str) -> None:
        """Prints a line over the prompts of the console and of who enrolls the trustpoint."""
        asked = self.enrolling.get(trustpoint)
        for console in tuple(self.consoles):
            if console.session is asked or console.session.line.kind == "console":
                console.log_line(text)

    # --- configuration ------------------------------------------------------------------------

    def apply(self, trustpoint: Trustpoint) -> bool:
        """Tells the port what the trustpoint's lines mean; false when it cannot work with them.

        The reason (a key no key store makes, for example) is logged. One without a way to enroll
        counts too: it may hold what came in a PKCS#12 file.
        """
        reason = self.configure_port(settings_of(self, trustpoint))
        if reason:
            self.syslog("unusable", name=trustpoint.name, reason=reason)
        return not reason

    def has(self, trustpoint: Trustpoint) -> bool:
        """Whether it is configured still: other sessions work meanwhile."""
        return self.config.trustpoints.get(trustpoint.name) is trustpoint

    def is_enrolling(self, name: str) -> bool:
        """A request of the trustpoint is out or about to leave."""
        view = self.view(name)
        return view.pending_csr_der is not None or view.state in _RUNNING

    def save(self, text: str, *, user: str) -> None:
        """Keeps ``text`` as the startup configuration, saved by ``user``.

        Raises:
            DeviceError: it cannot be kept; what was saved before counts.
        """
        self.keep_startup(text)
        self.saved_at = self.now() if text else None
        self.saved_by = user

    def forget_factory(self) -> None:
        """See `CiscoDevice.forget_factory`."""
        self.config.lines.clear()
        for block in self.config.interfaces.values():
            block.lines.clear()

    def startup_lines(self, text: str) -> list[str]:
        """See `CiscoDevice.startup_lines`: remarks are blank."""
        return ["" if line.startswith(":") else line for line in text.splitlines()]

    def matches_password(self, password: str, typed: str) -> bool:
        """See `Device.matches_password`."""
        if is_hashed(password):
            return matches_hash(password, typed)
        return Device.matches_password(self, password, typed)

    # --- keys and events ----------------------------------------------------------------------

    def handle_event(self, event: PortEvent) -> None:
        """Logs what the event means on this box."""
        from sceplab_devices.profiles.cisco_asa.port_events import report

        report(self, event)


Context: TypeAlias = CommandContext[Firewall]
"""What every handler of this profile gets."""
