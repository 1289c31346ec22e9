"""A switch: configuration, log and bookkeeping, shared by all its sessions."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from sceplab_devices.api import EnrollmentPort, KeyView, PortEvent, PortEventKind, TrustpointView
from sceplab_devices.batch import carry_out
from sceplab_devices.context import CommandContext
from sceplab_devices.device import Device
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.cisco.dates import MONTHS
from sceplab_devices.profiles.cisco.obfuscation import is_hashed, matches_hash
from sceplab_devices.profiles.cisco.store import Block
from sceplab_devices.profiles.cisco_nxos.bootflash import open_bootflash
from sceplab_devices.profiles.cisco_nxos.running_config import RunningConfig
from sceplab_devices.profiles.cisco_nxos.trustpoint import Trustpoint, settings_of

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

logger = logging.getLogger(__name__)

ADMIN_ROLE = "network-admin"
_TYPED_INTERFACE = re.compile(r"([A-Za-z]+)([0-9][0-9/.]*)", re.ASCII)
_CHANGES = frozenset({PortEventKind.CA_TRUSTED, PortEventKind.CERT_ISSUED})


class Switch(Device):
    """State of one switch.

    Attributes:
        serial_number: of the box, as certificates name it.
        config: the running configuration.
        files: what is on bootflash.
        startup_config: text saved last; empty: never.
        saved_at: when it was saved; ``None``: not since it came up.
        started_at: when the box came up.
        changed_at: last configuration change; ``None``: none since it came up.
        is_saved: nothing was changed since the configuration was saved.
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
        bootflash: str = "",
    ) -> None:
        """Makes a switch as delivered.

        Args:
            profile: what `create_profile` gives.
            hostname: shown in prompts.
            port: enrollment engine of this box.
            clock: aware UTC.
            users: login name to password, all with role network-admin; empty: no login.
            enable_password: the platform asks for none.
            serial_number: as certificates name it; empty: the profile's.
            bootflash: folder of the host with the files of bootflash; empty: they are forgotten
                when the box goes off.
        """
        self.serial_number = serial_number or str(profile.data["serial_number"])
        self.files = open_bootflash(bootflash)
        self.config = RunningConfig()
        self.config.features = set(profile.data["factory_features"])
        for name in profile.data["interfaces"]:
            self.config.interfaces[name] = Block(f"interface {name}")
        self.config.roles = dict.fromkeys(users or {}, ADMIN_ROLE)
        self.startup_config = ""
        self.saved_at: datetime | None = None
        self.changed_at: datetime | None = None
        self.is_saved = True
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
        """Full name of an interface typed as ``e1/1``; empty when the box has none such."""
        found = _TYPED_INTERFACE.fullmatch(typed)
        if found is None:
            return ""
        for name in self.config.interfaces:
            letters = name.rstrip("0123456789/.")
            if letters.lower().startswith(found[1].lower()) and name == letters + found[2]:
                return name
        return ""

    def syslog(self, key: str, **values: object) -> None:
        """Logs a text of ``[texts.syslog]``."""
        at = self.config.zone.local(self.now())
        stamp = f"{at.year} {MONTHS[at.month - 1]} {at.day:2d} {at:%H:%M:%S}"
        self.log(f"{stamp} {self.hostname} " + self.profile.text(f"syslog.{key}", **values))

    # --- configuration ------------------------------------------------------------------------

    def note_change(self) -> None:
        """The running configuration was changed."""
        self.changed_at = self.now()
        self.is_saved = False

    def apply(self, trustpoint: Trustpoint) -> str:
        """Tells the port what the trustpoint's lines mean; gives why it cannot work with them."""
        try:
            self.port.configure(settings_of(self, trustpoint))
        except (DeviceError, ValueError) as error:
            return str(error)
        return ""

    def view(self, name: str) -> TrustpointView:
        """How a trustpoint stands."""
        return self.port.view(name)

    def save(self, text: str) -> None:
        """Keeps ``text`` as the startup configuration.

        Raises:
            DeviceError: it cannot be kept; what was saved before counts.
        """
        self.on_save(text)
        self.startup_config = text
        self.saved_at = self.now() if text else None
        self.is_saved = bool(text)

    def restore(self, text: str) -> None:
        """See `Device.restore`."""
        if not text:
            return
        self.config.lines.clear()
        self.config.features = set(self.profile.data["factory_features"])
        for remark in carry_out(self, text.splitlines(), mode="config"):
            logger.warning("%s: startup %s", self.hostname, remark.for_log())
        self.startup_config = text
        self.changed_at = None
        self.is_saved = True

    def matches_password(self, password: str, typed: str) -> bool:
        """See `Device.matches_password`."""
        if is_hashed(password):
            return matches_hash(password, typed)
        return super().matches_password(password, typed)

    def store_output(self, url: str, text: str, *, append: bool) -> str:
        """See `Device.store_output`."""
        before = (self.files.read(url) or b"") if append else b""
        if self.files.write(url, before + text.encode(), self.now()):
            return ""
        return self.profile.error("unwritable", url=url)

    # --- keys and events ----------------------------------------------------------------------

    def key_pairs(self) -> list[KeyView]:
        """All key pairs, oldest first."""
        return self.port.keys()

    def find_key(self, label: str) -> KeyView | None:
        """The key pair of a label."""
        return next((key for key in self.key_pairs() if key.label == label), None)

    def handle_event(self, event: PortEvent) -> None:
        """Certificates are part of what ``copy running-config startup-config`` is about."""
        if event.kind in _CHANGES:
            self.note_change()


Context: TypeAlias = CommandContext[Switch]
"""What every handler of this profile gets."""
