"""The running configuration as a model: what was configured, not how it was typed."""

from __future__ import annotations

from dataclasses import dataclass, field

from sceplab_devices.profiles.cisco.dates import Zone
from sceplab_devices.profiles.cisco.store import Block
from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint


@dataclass(slots=True)
class Interface:
    """One interface."""

    name: str
    is_physical: bool = False
    is_shut_down: bool = False
    address: str = ""
    mask: str = ""
    uses_dhcp: bool = False
    lines: dict[str, str] = field(default_factory=dict)
    """Everything else, by the key that identifies it."""


@dataclass(frozen=True, slots=True)
class User:
    """How a login name is written in the configuration. The password is the device's."""

    privilege: int = 1
    is_secret: bool = True


@dataclass(slots=True)
class RunningConfig:
    """What ``show running-config`` renders, apart from host name and certificates."""

    domain_name: str = ""
    zone: Zone = field(default_factory=Zone)
    trustpoints: dict[str, Trustpoint] = field(default_factory=dict)
    interfaces: dict[str, Interface] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    enable_is_secret: bool = True
    lines: dict[str, dict[str, str]] = field(default_factory=dict)
    """By section: single line by the key that identifies it."""
    blocks: dict[str, dict[str, Block]] = field(default_factory=dict)
    """By section: block by its header."""
    terminal_lines: dict[str, Block] = field(default_factory=dict)
    """``line con 0`` and so on, by header."""

    def has_line(self, section: str, line: str) -> bool:
        """Whether exactly this line is configured."""
        return line in self.lines.get(section, {}).values()
