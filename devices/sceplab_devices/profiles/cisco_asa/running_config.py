"""The running configuration as a model: what was configured, not how it was typed."""

from __future__ import annotations

from dataclasses import dataclass, field

from sceplab_devices.profiles.cisco.dates import Zone
from sceplab_devices.profiles.cisco.store import Block
from sceplab_devices.profiles.cisco_asa.trustpoint import Trustpoint

DEFAULT_PAGE_LENGTH = 24


@dataclass(slots=True)
class RunningConfig:
    """What ``show running-config`` renders, apart from host name, passwords and certificates."""

    domain_name: str = ""
    zone: Zone = field(default_factory=Zone)
    page_length: int = DEFAULT_PAGE_LENGTH
    """Lines of a page, 0 for no paging; new sessions begin with it."""
    trustpoints: dict[str, Trustpoint] = field(default_factory=dict)
    interfaces: dict[str, Block] = field(default_factory=dict)
    """By full name."""
    privileges: dict[str, int] = field(default_factory=dict)
    """Privilege by login name. The passwords are the device's."""
    lines: dict[str, dict[str, str]] = field(default_factory=dict)
    """By section: single line by the key that identifies it."""
    blocks: dict[str, dict[str, Block]] = field(default_factory=dict)
    """By section: block by its header."""

    def has_line(self, section: str, line: str) -> bool:
        """Whether exactly this line is configured."""
        return line in self.lines.get(section, {}).values()

    def address_of(self, nameif: str) -> str:
        """IPv4 address of the interface of this name; empty: none, or not known here."""
        for block in self.interfaces.values():
            if block.lines.get("nameif") == f"nameif {nameif}":
                words = block.lines.get("ip address", "").split()
                return words[2] if len(words) > 3 else ""  # noqa: PLR2004 - with its mask
        return ""
