"""The running configuration as a model: what was configured, not how it was typed."""

from __future__ import annotations

from dataclasses import dataclass, field

from sceplab_devices.profiles.cisco.dates import Zone
from sceplab_devices.profiles.cisco.store import Block
from sceplab_devices.profiles.cisco_nxos.trustpoint import Trustpoint


@dataclass(slots=True)
class RunningConfig:
    """What ``show running-config`` renders, apart from host name and passwords."""

    domain_name: str = ""
    zone: Zone = field(default_factory=Zone)
    features: set[str] = field(default_factory=set)
    """Enabled ones, by the name behind ``feature``."""
    roles: dict[str, str] = field(default_factory=dict)
    """Role by login name. The passwords are the device's."""
    trustpoints: dict[str, Trustpoint] = field(default_factory=dict)
    interfaces: dict[str, Block] = field(default_factory=dict)
    """By full name."""
    lines: dict[str, dict[str, str]] = field(default_factory=dict)
    """By section: single line by the key that identifies it."""
    blocks: dict[str, dict[str, Block]] = field(default_factory=dict)
    """By section: block by its header."""
