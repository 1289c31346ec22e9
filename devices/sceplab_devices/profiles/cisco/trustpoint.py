"""A trustpoint as a Cisco box keeps it: its configured lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_PIN_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One configured line of a trustpoint."""

    line: str
    values: Mapping[str, str] = field(repr=False)
    """Parameters by name. May hold the challenge password."""


@dataclass(slots=True)
class TrustpointLines:
    """What is configured of a trustpoint."""

    name: str
    entries: dict[str, Entry] = field(default_factory=dict, repr=False)
    """By the key that identifies the line, for example ``enrollment url``."""

    def value(self, key: str, parameter: str) -> str:
        """A parameter of a line; empty when the line is absent or lacks it."""
        entry = self.entries.get(key)
        return entry.values.get(parameter, "") if entry else ""

    @property
    def url(self) -> str:
        """SCEP enrollment URL as typed; empty with other enrollment methods."""
        return self.value("enrollment url", "url")


def pin_algorithm(pin_hex: str) -> str:
    """Hash of a fingerprint of this length; empty when no hash fits."""
    return _PIN_ALGORITHMS.get(len(pin_hex), "")
