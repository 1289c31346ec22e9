"""Kinds of command parameters: what a typed word must look like and how help names it."""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE = "line"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of parameter."""

    name: str
    placeholder: str
    """Shown by help, for example ``A.B.C.D``."""
    pattern: re.Pattern[str]
    """The whole word must match it."""
    rank: int
    """Where several kinds accept a word, the lowest rank wins."""
    minimum: int = 0
    maximum: int = -1
    """Range of a whole number; a maximum below the minimum: no range."""

    @property
    def is_rest(self) -> bool:
        """Takes the rest of the line, blanks included."""
        return self.name == LINE

    def accepts(self, word: str) -> bool:
        """Whether ``word`` may stand for this parameter."""
        if self.pattern.fullmatch(word) is None:
            return False
        return self.maximum < self.minimum or self.minimum <= int(word) <= self.maximum


_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"

BUILT_IN: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("ipv4", "A.B.C.D", re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII), 1),
        Kind("url", "WORD", re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S*"), 2),
        Kind("hex", "Hex-data", re.compile(r"[0-9A-Fa-f]+"), 3),
        Kind("word", "WORD", re.compile(r"\S+"), 8),
        Kind(LINE, "LINE", re.compile(r"(?s).+"), 9),
    )
}

_RANGE = re.compile(r"(\d+)-(\d+)", re.ASCII)
_RANGE_DIGITS = re.compile(r"\d{1,19}", re.ASCII)


def find_kind(name: str, own: dict[str, Kind]) -> Kind | None:
    """The kind called ``name``: a range ``N-M``, one of ``own`` or a built-in one."""
    if found := _RANGE.fullmatch(name):
        low, high = int(found[1]), int(found[2])
        if low > high:
            return None
        return Kind(name, f"<{name}>", _RANGE_DIGITS, 0, low, high)
    return own.get(name) or BUILT_IN.get(name)


def own_kind(name: str, placeholder: str, pattern: str) -> Kind:
    """A kind of a profile's own, from its data.

    Raises:
        re.error: ``pattern`` is no regular expression.
    """
    return Kind(name, placeholder, re.compile(pattern), 4)
