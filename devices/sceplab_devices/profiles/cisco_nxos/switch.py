"""A switch: configuration, log and bookkeeping, shared by all its sessions."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias, Unpack

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.context import CommandContext
from sceplab_devices.device import CommonSettings
from sceplab_devices.profiles.cisco.dates import MONTHS
from sceplab_devices.profiles.cisco.device import CiscoDevice
from sceplab_devices.profiles.cisco.store import Block
from sceplab_devices.profiles.cisco_nxos.bootflash import open_bootflash
from sceplab_devices.profiles.cisco_nxos.running_config import RunningConfig
from sceplab_devices.profiles.cisco_nxos.trustpoint import Trustpoint, settings_of

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

ADMIN_ROLE = "network-admin"
_CHANGES = frozenset({PortEventKind.CA_TRUSTED, PortEventKind.CERT_ISSUED})


class Switch(CiscoDevice):
    """State of one switch.

    Attributes:
        serial_number: of the box, as certificates name it.
        files: what is on bootflash.
        saved_at: when the configuration was saved; ``None``: not since it came up.
    """

    config: RunningConfig

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        serial_number: str = "",
        bootflash: str = "",
        **common: Unpack[CommonSettings],
    ) -> None:
        """Makes a switch as delivered.

        Args:
            profile: what `create_profile` gives.
            serial_number: as certificates name it; empty: the profile's.
            bootflash: folder of the host with the files of bootflash; empty: they are forgotten
                when the box goes off.
            common: as `Device` takes them. Users have role network-admin; ``enable`` asks nothing.
        """
        self.serial_number = serial_number or str(profile.data["serial_number"])
        self.files = open_bootflash(bootflash)
        self.config = RunningConfig()
        self.config.features = set(profile.data["factory_features"])
        for name in profile.data["interfaces"]:
            self.config.interfaces[name] = Block(f"interface {name}")
        self.config.roles = dict.fromkeys(common.get("users") or {}, ADMIN_ROLE)
        self.saved_at: datetime | None = None
        super().__init__(profile, **common)

    def syslog(self, key: str, **values: object) -> None:
        """Logs a text of ``[texts.syslog]``."""
        at = self.config.zone.local(self.now())
        stamp = f"{at.year} {MONTHS[at.month - 1]} {at.day:2d} {at:%H:%M:%S}"
        self.log(f"{stamp} {self.hostname} " + self.profile.text(f"syslog.{key}", **values))

    # --- configuration ------------------------------------------------------------------------

    def apply(self, trustpoint: Trustpoint) -> str:
        """Tells the port what the trustpoint's lines mean; gives why it cannot work with them."""
        return self.configure_port(settings_of(self, trustpoint))

    def save(self, text: str) -> None:
        """Keeps ``text`` as the startup configuration.

        Raises:
            DeviceError: it cannot be kept; what was saved before counts.
        """
        self.keep_startup(text)
        self.saved_at = self.now() if text else None

    def forget_factory(self) -> None:
        """See `CiscoDevice.forget_factory`."""
        self.config.lines.clear()
        self.config.features = set(self.profile.data["factory_features"])

    def store_output(self, url: str, text: str, *, append: bool) -> str:
        """See `Device.store_output`."""
        before = (self.files.read(url) or b"") if append else b""
        if self.files.write(url, before + text.encode(), self.now()):
            return ""
        return self.profile.error("unwritable", url=url)

    # --- events -------------------------------------------------------------------------------

    def handle_event(self, event: PortEvent) -> None:
        """Certificates are part of what ``copy running-config startup-config`` is about."""
        if event.kind in _CHANGES:
            self.note_change()


Context: TypeAlias = CommandContext[Switch]
"""What every handler of this profile gets."""
