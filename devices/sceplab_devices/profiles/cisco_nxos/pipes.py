"""Output filters of NX-OS: ``grep``-like ones, a count of lines, and chains of them.

A bar with a blank before it begins the next filter; any other is part of the expression, so that
``| include ssh|nxapi | count`` are two filters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sceplab_devices.filters import (
    MAKERS,
    Filter,
    FilterCall,
    FilterFailure,
    FilterMaker,
    begin,
    exclude,
    include,
    matching,
    plain,
    section,
)
from sceplab_devices.grammar import Token

_FLAGS = {
    "-i": "ignore-case",
    "-v": "invert-match",
    "-c": "count",
    "ignore-case": "ignore-case",
    "invert-match": "invert-match",
    "count": "count",
}


def _lines(lines: list[str]) -> list[str]:
    return [str(len(lines))]


def grep(call: FilterCall) -> Filter | FilterFailure:
    """``grep | egrep [-i] [-v] [-c] RE``; the options may be spelled out."""
    flags: set[str] = set()
    text, offset = call.text, call.offset
    while True:
        word, _, rest = text.partition(" ")
        if word not in _FLAGS or not rest.strip():
            break
        flags.add(_FLAGS[word])
        offset += len(text) - len(rest.lstrip())
        text = rest.lstrip()
    transform = exclude if "invert-match" in flags else include
    make = matching(transform, delimiters=False, ignore_case="ignore-case" in flags, quoted=True)
    found = make(FilterCall(text, offset, call.device, call.session))
    if isinstance(found, FilterFailure) or "count" not in flags:
        return found
    return Filter(lambda lines: _lines(found.apply(lines)))


_NEXT = re.compile(r"""^((?:[^"]|"[^"]*")*?)(?:^|(?<=\s))\|""")
"""Text up to a bar that begins a filter; none inside double quotes."""


def chained(maker: FilterMaker) -> FilterMaker:
    """A filter behind which others may stand."""

    def make(call: FilterCall) -> Filter | FilterFailure:
        found = _NEXT.match(call.text)
        if found is None:
            return maker(call)
        first = maker(FilterCall(found[1].rstrip(), call.offset, call.device, call.session))
        if isinstance(first, FilterFailure):
            return first
        rest = Token(call.text[found.end() :], call.offset + found.end())
        behind = call.device.profile.filters.parse(rest, call.device, call.session)
        if isinstance(behind, FilterFailure):
            return behind
        return Filter(
            lambda lines: behind.apply(first.apply(lines)), pages=first.pages and behind.pages
        )

    return make


_OWN: Mapping[str, FilterMaker] = {
    "begin": matching(begin, delimiters=False, quoted=True),
    "count": plain(_lines),
    "egrep": grep,
    "exclude": matching(exclude, delimiters=False, quoted=True),
    "grep": grep,
    "include": matching(include, delimiters=False, quoted=True),
    "section": matching(section, delimiters=False, quoted=True),
}

FILTERS: Mapping[str, FilterMaker] = {
    verb: chained(maker)
    for verb, maker in (*_OWN.items(), *((verb, MAKERS[verb]) for verb in ("last", "no-more")))
}
"""All of the platform, by verb."""
