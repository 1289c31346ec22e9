"""Output filters of NX-OS: ``grep``-like ones, a count of lines, and a file on bootflash."""

from __future__ import annotations

from collections.abc import Mapping

from sceplab_devices.filters import (
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


FILTERS: Mapping[str, FilterMaker] = {
    "begin": matching(begin, delimiters=False, quoted=True),
    "count": plain(_lines),
    "egrep": grep,
    "exclude": matching(exclude, delimiters=False, quoted=True),
    "grep": grep,
    "include": matching(include, delimiters=False, quoted=True),
    "section": matching(section, delimiters=False, quoted=True),
}
"""Those that differ from what any profile may name."""
