"""Output filters behind ``|``: how they are typed, and the building blocks of a platform's own.

A platform's filters are *makers*: they read what was typed behind the verb and give a `Filter` or
say why they cannot. `MAKERS` are those that data may name without Python; a profile adds its own
with ``DeviceProfile(filters={"match": matching(include, delimiters=False), …})``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from sceplab_devices.grammar import Token, tokenize
from sceplab_devices.regex import LinePattern, PatternError

if TYPE_CHECKING:
    from sceplab_devices.device import Device
    from sceplab_devices.session import Session

Transform: TypeAlias = Callable[[list[str]], list[str]]
"""Lines of an output in, lines for the terminal out."""
PatternTransform: TypeAlias = Callable[[list[str], LinePattern], list[str]]
_DEFAULT_LAST_LINES = 10
_LINE_COUNT = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Filter:
    """What happens to the output of one command."""

    apply: Transform
    """Called once, with the whole output."""
    pages: bool = True
    """False: what is left is shown without paging."""


@dataclass(frozen=True, slots=True)
class FilterFailure:
    """Why a filter was not understood."""

    kind: Literal["invalid", "incomplete", "ambiguous", "regex"]
    offset: int
    """Column in the line."""


@dataclass(frozen=True, slots=True)
class FilterCall:
    """A filter as typed, for its maker."""

    text: str
    """What stands behind the verb, blanks at its ends removed."""
    offset: int
    """Column of the text in the line."""
    device: Device
    session: Session

    @property
    def incomplete(self) -> FilterFailure:
        """Something is missing at the end."""
        return FilterFailure("incomplete", self.offset + len(self.text))


FilterMaker: TypeAlias = Callable[[FilterCall], Filter | FilterFailure]


@dataclass(frozen=True, slots=True)
class FilterSet:
    """The filters of a platform.

    Attributes:
        makers: by verb.
        chained: further filters may follow, each behind a ``|``.
    """

    makers: Mapping[str, FilterMaker]
    chained: bool = False

    def parse(self, spec: Token, device: Device, session: Session) -> Filter | FilterFailure:
        """The filter that the text behind ``|`` means.

        Args:
            spec: the text, and its column in the line.
            device: whose output it is.
            session: who reads it.
        """
        links = list(_links(spec)) if self.chained else [spec]
        filters = []
        for link in links:
            found = self._one(link, device, session)
            if isinstance(found, FilterFailure):
                return found
            filters.append(found)
        return filters[0] if len(filters) == 1 else _chain(filters)

    def candidates(self, prefix: str) -> list[str]:
        """Verbs that begin with ``prefix``; one that is typed in full is the only one."""
        lowered = prefix.lower()
        if lowered in self.makers:
            return [lowered]
        return [verb for verb in self.makers if verb.startswith(lowered)]

    def _one(self, link: Token, device: Device, session: Session) -> Filter | FilterFailure:
        words = tokenize(link.text)
        if not words:
            return FilterFailure("incomplete", link.offset)
        verb, rest = words[0], words[1:]
        known = self.candidates(verb.text)
        if len(known) != 1:
            return FilterFailure("ambiguous" if known else "invalid", link.offset + verb.offset)
        start = rest[0].offset if rest else len(link.text)
        call = FilterCall(link.text[start:].rstrip(), link.offset + start, device, session)
        return self.makers[known[0]](call)


def _links(spec: Token) -> list[Token]:
    """The text cut at each ``|`` outside of double quotes."""
    links, start, quoted = [], 0, False
    for index, char in enumerate(spec.text + "|"):
        if char == '"':
            quoted = not quoted
        at_end = index == len(spec.text)
        if at_end or (char == "|" and not quoted):
            links.append(Token(spec.text[start:index], spec.offset + start))
            start = index + 1
    return links


def _chain(filters: list[Filter]) -> Filter:
    def apply(lines: list[str]) -> list[str]:
        for one in filters:
            lines = one.apply(lines)
        return lines

    return Filter(apply, pages=all(one.pages for one in filters))


# --- building blocks ----------------------------------------------------------------------------


def matching(
    transform: PatternTransform,
    *,
    delimiters: bool = True,
    ignore_case: bool = False,
    quoted: bool = False,
) -> FilterMaker:
    """A filter with a regular expression behind its verb.

    Args:
        transform: what it does, for example `include`.
        delimiters: ``_`` stands for a delimiter, as Cisco IOS has it.
        ignore_case: capitals and small letters are the same.
        quoted: double quotes around the expression are not part of it.
    """

    def make(call: FilterCall) -> Filter | FilterFailure:
        text = call.text
        if quoted and len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1]
        if not text:
            return call.incomplete
        try:
            pattern = LinePattern(text, delimiters=delimiters, ignore_case=ignore_case)
        except PatternError:
            return FilterFailure("regex", call.offset)
        return Filter(lambda lines: transform(lines, pattern))

    return make


def plain(transform: Transform, *, pages: bool = True) -> FilterMaker:
    """A filter that takes no words."""

    def make(call: FilterCall) -> Filter | FilterFailure:
        if call.text:
            return FilterFailure("invalid", call.offset)
        return Filter(transform, pages=pages)

    return make


def include(lines: list[str], pattern: LinePattern) -> list[str]:
    """Matching lines."""
    return [line for line in lines if pattern.matches(line)]


def exclude(lines: list[str], pattern: LinePattern) -> list[str]:
    """All other lines."""
    return [line for line in lines if not pattern.matches(line)]


def begin(lines: list[str], pattern: LinePattern) -> list[str]:
    """The first matching line and all behind it."""
    for index, line in enumerate(lines):
        if pattern.matches(line):
            return lines[index:]
    return []


def section(lines: list[str], pattern: LinePattern, *, keep: bool = True) -> list[str]:
    """Matching lines, each with the deeper indented ones behind it; or (``keep``) all others."""
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


def last(call: FilterCall) -> Filter | FilterFailure:
    """``last [N]``: the last lines, 10 unless told."""
    if call.text and not _LINE_COUNT.fullmatch(call.text):
        return FilterFailure("invalid", call.offset)
    count = int(call.text or _DEFAULT_LAST_LINES)
    return Filter(lambda lines: lines[-count:] if count else [])


no_more = plain(list, pages=False)
"""``no-more``: everything at once."""


def _count(lines: list[str], pattern: LinePattern) -> list[str]:
    return [f"Number of lines which match regexp = {len(include(lines, pattern))}"]


def _section(call: FilterCall) -> Filter | FilterFailure:
    """``section [include | exclude] RE``."""
    word, _, text = call.text.partition(" ")
    if word not in ("include", "exclude") or not text.strip():
        return matching(section)(call)
    offset = call.offset + len(call.text) - len(text.lstrip())
    rest = FilterCall(text.lstrip(), offset, call.device, call.session)
    keep = word == "include"
    return matching(lambda lines, pattern: section(lines, pattern, keep=keep))(rest)


def storing(*, append: bool = False, shows: bool = False) -> FilterMaker:
    """A filter that writes the output to the URL behind its verb, by `Device.store_output`.

    Args:
        append: behind what is there.
        shows: the terminal gets it too.
    """

    def make(call: FilterCall) -> Filter | FilterFailure:
        words = call.text.split()
        if len(words) != 1:
            return FilterFailure("invalid", call.offset) if words else call.incomplete

        def apply(lines: list[str]) -> list[str]:
            text = "".join(f"{line}\n" for line in lines)
            problem = call.device.store_output(words[0], text, append=append)
            return [*(lines if shows else []), *problem.splitlines()]

        return Filter(apply)

    return make


def _tee(call: FilterCall) -> Filter | FilterFailure:
    """``tee [/append] URL``."""
    word, _, text = call.text.partition(" ")
    if word.lower() != "/append":
        return storing(shows=True)(call)
    offset = call.offset + len(call.text) - len(text.lstrip())
    rest = FilterCall(text.lstrip(), offset, call.device, call.session)
    return storing(shows=True, append=True)(rest)


MAKERS: Mapping[str, FilterMaker] = {
    "include": matching(include),
    "exclude": matching(exclude),
    "begin": matching(begin),
    "section": _section,
    "count": matching(_count),
    "redirect": storing(),
    "append": storing(append=True),
    "tee": _tee,
    "last": last,
    "no-more": no_more,
}
"""Filters that the data of any profile may name: Cisco IOS's, and two that several others have."""
