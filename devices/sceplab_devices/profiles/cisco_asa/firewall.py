"""An ASA: configuration, log and bookkeeping, shared by all its sessions."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from sceplab_devices.api import EnrollmentPort, KeyView, PortEvent, TrustpointView
from sceplab_devices.batch import carry_out
from sceplab_devices.context import CommandContext
from sceplab_devices.device import Device
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.dates import MONTHS
from sceplab_devices.profiles.cisco.store import Block
from sceplab_devices.profiles.cisco_asa.passwords import is_hashed, matches_hash, without_secrets
from sceplab_devices.profiles.cisco_asa.running_config import RunningConfig
from sceplab_devices.profiles.cisco_asa.trustpoint import Trustpoint, settings_of
from sceplab_devices.session import Session

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

logger = logging.getLogger(__name__)

FULL_PRIVILEGE = 15
_TYPED_INTERFACE = re.compile(r"([A-Za-z]+)([0-9][0-9/.]*)", re.ASCII)
_SEVERITY = re.compile(r"%ASA-([0-7])-")
_LEVELS = (
    "emergencies", "alerts", "critical", "errors", "warnings", "notifications", "informational",
    "debugging",
)  # fmt: skip
_RUNNING = frozenset({"KEYGEN", "REQUESTING", "PENDING", "RETRY_WAIT", "ISSUED_UNVERIFIED"})
"""Machine states in which a request is under way."""


class Firewall(Device):
    """State of one firewall.

    Attributes:
        serial_number: of the box, as certificates name it.
        config: the running configuration.
        startup_config: text saved last; empty: never.
        saved_at: when, for its head; ``None``: not since it came up.
        saved_by: whose rights the terminal had that saved it.
        started_at: when the box came up.
        changed_at: last configuration change; ``None``: none since it came up.
        changed_by: whose rights the terminal had that entered configuration mode last.
        is_saved: nothing was changed since the configuration was saved.
        logged: log lines so far.
        enrolling: session that asked for the running enrollment, by trustpoint.
    """

    config: RunningConfig

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        hostname: str,
        port: EnrollmentPort,
        clock: Callable[[], datetime],
        users: dict[str, str] | None = None,
        enable_password: str = "",
        serial_number: str = "",
    ) -> None:
        """Makes a firewall as delivered.

        Args:
            profile: what `create_profile` gives.
            hostname: shown in prompts.
            port: enrollment engine of this box.
            clock: aware UTC.
            users: login name to password, with all rights; empty: no login.
            enable_password: asked by ``enable``; empty: Enter alone is right.
            serial_number: as certificates name it; empty: the profile's.
        """
        self.serial_number = serial_number or str(profile.data["serial_number"])
        self.config = RunningConfig()
        for name in profile.data["interfaces"]:
            block = Block(f"interface {name}", {"shutdown": "shutdown"})
            self.config.interfaces[name] = block
        self.config.privileges = dict.fromkeys(users or {}, FULL_PRIVILEGE)
        self.config.lines["logging"] = {
            " ".join(line.split()[:2]): line for line in profile.data["factory_logging"]
        }
        self.startup_config = ""
        self.saved_at: datetime | None = None
        self.saved_by = ""
        self.changed_at: datetime | None = None
        self.changed_by = f"enable_{FULL_PRIVILEGE}"
        self.is_saved = True
        self.logged = 0
        self.enrolling: dict[str, Session] = {}
        super().__init__(
            profile,
            hostname=hostname,
            port=port,
            clock=clock,
            users=users,
            enable_password=enable_password,
        )
        self.started_at = self.now()

    @property
    def fqdn(self) -> str:
        """Host name with its domain; the host name alone when no domain is configured."""
        domain = self.config.domain_name
        return f"{self.hostname}.{domain}" if domain else self.hostname

    def interface_name(self, typed: str) -> str:
        """Full name of an interface typed as ``gi0/1``; empty when the box has none such."""
        found = _TYPED_INTERFACE.fullmatch(typed)
        if found is None:
            return ""
        for name in self.config.interfaces:
            letters = name.rstrip("0123456789/.")
            if letters.lower().startswith(found[1].lower()) and name == letters + found[2]:
                return name
        return ""

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

    def note_change(self) -> None:
        """The running configuration was changed."""
        self.changed_at = self.now()
        self.is_saved = False

    def apply(self, trustpoint: Trustpoint) -> bool:
        """Tells the port what the trustpoint's lines mean; false when it cannot work with them.

        The reason (a key no key store makes, for example) is logged. One without a way to enroll
        counts too: it may hold what came in a PKCS#12 file.
        """
        try:
            self.port.configure(settings_of(self, trustpoint))
        except (DeviceError, ValueError) as error:
            self.syslog("unusable", name=trustpoint.name, reason=error)
            return False
        return True

    def has(self, trustpoint: Trustpoint) -> bool:
        """Whether it is configured still: other sessions work meanwhile."""
        return self.config.trustpoints.get(trustpoint.name) is trustpoint

    def view(self, name: str) -> TrustpointView:
        """How a trustpoint stands."""
        return self.port.view(name)

    def is_enrolling(self, name: str) -> bool:
        """A request of the trustpoint is out or about to leave."""
        view = self.view(name)
        return view.pending_csr_der is not None or view.state in _RUNNING

    def save(self, text: str, *, user: str) -> None:
        """Keeps ``text`` as the startup configuration, saved by ``user``.

        Raises:
            DeviceError: it cannot be kept; what was saved before counts.
        """
        self.on_save(text)
        self.startup_config = text
        self.saved_at = self.now() if text else None
        self.saved_by = user
        self.is_saved = bool(text)

    def restore(self, text: str) -> None:
        """See `Device.restore`."""
        if not text:
            return
        self.config.lines.clear()
        for block in self.config.interfaces.values():
            block.lines.clear()
        lines = [line for line in text.splitlines() if not line.startswith(":")]  # remarks
        for remark in carry_out(self, lines, mode="config"):
            # Remarks have lost the blank in front of their lines.
            line = without_secrets(f" {remark.line}").strip()
            logger.warning("%s: startup line %r: %s", self.hostname, line, remark.text)
        self.startup_config = text
        self.changed_at = None
        self.is_saved = True

    def matches_password(self, password: str, typed: str) -> bool:
        """See `Device.matches_password`."""
        if is_hashed(password):
            return matches_hash(password, typed)
        return super().matches_password(password, typed)

    # --- keys and events ----------------------------------------------------------------------

    def key_pairs(self) -> list[KeyView]:
        """All key pairs, oldest first."""
        return self.port.keys()

    def find_key(self, label: str) -> KeyView | None:
        """The key pair of a label."""
        return next((key for key in self.key_pairs() if key.label == label), None)

    def handle_event(self, event: PortEvent) -> None:
        """Logs what the event means on this box."""
        from sceplab_devices.profiles.cisco_asa.port_events import report

        report(self, event)


Context: TypeAlias = CommandContext[Firewall]
"""What every handler of this profile gets."""
