"""Output filters behind ``|``: which exist, how they are typed, what they leave of an output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sceplab_devices.grammar import Token, tokenize
from sceplab_devices.regex import LinePattern, PatternError

Filter: TypeAlias = Callable[[list[str]], list[str]]


@dataclass(frozen=True, slots=True)
class FilterFailure:
    """Why a filter was not understood."""

    kind: Literal["invalid", "incomplete", "ambiguous", "regex"]
    offset: int
    """Column in the line."""


def parse_filter(spec: Token, verbs: Iterable[str]) -> Filter | FilterFailure:
    """The filter that the text behind ``|`` means.

    Args:
        spec: the text, and its column in the line.
        verbs: filters that the platform knows, among `VERBS`.
    """
    words = tokenize(spec.text)
    base = spec.offset
    if not words:
        return FilterFailure("incomplete", base)
    known = [verb for verb in verbs if verb.startswith(words[0].text.lower())]
    if words[0].text.lower() in known:
        known = [words[0].text.lower()]
    if len(known) != 1:
        return FilterFailure("ambiguous" if known else "invalid", base + words[0].offset)
    verb = known[0]
    rest = words[1:]
    exclude_section = False
    if verb == "section" and len(rest) > 1 and rest[0].text in ("include", "exclude"):
        exclude_section = rest[0].text == "exclude"
        rest = rest[1:]
    if not rest:
        return FilterFailure("incomplete", base + len(spec.text))
    if verb in ("redirect", "append"):
        return _swallow
    if verb == "tee":
        return list
    try:
        pattern = LinePattern(spec.text[rest[0].offset :])
    except PatternError:
        return FilterFailure("regex", base + rest[0].offset)
    if exclude_section:
        return lambda lines: _sections(lines, pattern, keep=False)
    return lambda lines: VERBS[verb](lines, pattern)


def _swallow(_lines: list[str]) -> list[str]:
    return []


def _include(lines: list[str], pattern: LinePattern) -> list[str]:
    return [line for line in lines if pattern.matches(line)]


def _exclude(lines: list[str], pattern: LinePattern) -> list[str]:
    return [line for line in lines if not pattern.matches(line)]


def _begin(lines: list[str], pattern: LinePattern) -> list[str]:
    for index, line in enumerate(lines):
        if pattern.matches(line):
            return lines[index:]
    return []


def _count(lines: list[str], pattern: LinePattern) -> list[str]:
    return [f"Number of lines which match regexp = {len(_include(lines, pattern))}"]


def _section(lines: list[str], pattern: LinePattern) -> list[str]:
    return _sections(lines, pattern, keep=True)


def _sections(lines: list[str], pattern: LinePattern, *, keep: bool) -> list[str]:
    """Matching lines, each with the deeper indented ones behind it; or all others."""
    kept = []
    depth = -1
    for line in lines:
        indent = len(line) - len(line.lstrip(" "))
        inside = 0 <= depth < indent and bool(line.strip())
        if not inside:
            depth = indent if pattern.matches(line) else -1
        if (inside or depth >= 0) == keep:
            kept.append(line)
    return kept


VERBS: dict[str, Callable[[list[str], LinePattern], list[str]]] = {
    "include": _include,
    "exclude": _exclude,
    "begin": _begin,
    "section": _section,
    "count": _count,
    "redirect": _include,
    "append": _include,
    "tee": _include,
}
"""Filters a profile may name."""
