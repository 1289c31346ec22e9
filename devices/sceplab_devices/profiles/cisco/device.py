"""What every Cisco box keeps: names of interfaces, running and startup configuration."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, Unpack

from sceplab_devices.batch import carry_out
from sceplab_devices.device import CommonSettings, Device
from sceplab_devices.profiles.cisco.obfuscation import is_hashed, matches_hash

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile

logger = logging.getLogger(__name__)

TYPED_INTERFACE = re.compile(r"([A-Za-z]+)([0-9][0-9/.]*)", re.ASCII)
"""Letters and number of an interface as it is typed."""


class Configured(Protocol):
    """The part of a running configuration that names the box and its interfaces."""

    @property
    def domain_name(self) -> str:
        """As configured; empty: none."""
        ...

    @property
    def interfaces(self) -> Mapping[str, object]:
        """By full name."""
        ...


class CiscoDevice(Device):
    """State of one such box.

    Attributes:
        config: the running configuration.
        startup_config: text saved last; empty: never.
        started_at: when the box came up.
        changed_at: last configuration change; ``None``: none since it came up.
        is_saved: nothing was changed since the configuration was saved or read.
    """

    config: Configured

    def __init__(self, profile: DeviceProfile, **common: Unpack[CommonSettings]) -> None:
        self.startup_config = ""
        self.changed_at: datetime | None = None
        self.is_saved = True
        super().__init__(profile, **common)
        self.started_at = self.now()

    @property
    def fqdn(self) -> str:
        """Host name with its domain; the host name alone when no domain is configured."""
        domain = self.config.domain_name
        return f"{self.hostname}.{domain}" if domain else self.hostname

    def device_time(self) -> datetime:
        """Hook: what the box believes the time to be, aware UTC."""
        return self.now()

    def interface_name(self, typed: str) -> str:
        """Full name of an interface typed as ``gi0/1``; empty when the box has none such."""
        found = TYPED_INTERFACE.fullmatch(typed)
        if found is None:
            return ""
        for name in self.config.interfaces:
            letters = name.rstrip("0123456789/.")
            if letters.lower().startswith(found[1].lower()) and name == letters + found[2]:
                return name
        return ""

    def note_change(self) -> None:
        """The running configuration was changed."""
        self.changed_at = self.device_time()
        self.is_saved = False

    def keep_startup(self, text: str) -> None:
        """Keeps ``text`` as the startup configuration.

        Raises:
            DeviceError: it cannot be kept; what was saved before counts.
        """
        self.on_save(text)
        self.startup_config = text
        self.is_saved = bool(text)

    def restore(self, text: str) -> None:
        """See `Device.restore`."""
        if not text:
            return
        self.forget_factory()
        for remark in carry_out(self, self.startup_lines(text), mode="config"):
            logger.warning("%s: startup %s", self.hostname, remark.for_log())
        self.startup_config = text
        self.changed_at = None
        self.is_saved = True

    def forget_factory(self) -> None:
        """Hook: a saved configuration will say everything that a box as delivered has."""

    def startup_lines(self, text: str) -> list[str]:
        """Hook: the lines of a saved configuration that are carried out."""
        return text.splitlines()

    def matches_password(self, password: str, typed: str) -> bool:
        """See `Device.matches_password`."""
        if is_hashed(password):
            return matches_hash(password, typed)
        return super().matches_password(password, typed)
