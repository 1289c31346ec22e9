"""``| grep [-f|-i|-v|-n|-c] PATTERN``: the only filter."""

from __future__ import annotations

from dataclasses import dataclass

from sceplab_devices.filters import Filter
from sceplab_devices.profiles.fortinet_fortios.words import read_line
from sceplab_devices.regex import LinePattern, PatternError

_FLAGS = frozenset("fivnc")
_MARK = " <---"


@dataclass(frozen=True, slots=True)
class GrepProblem:
    """Why a filter is not understood."""

    word: str


def read_grep(text: str) -> Filter | GrepProblem:
    """The filter that the text behind ``|`` means."""
    typed = read_line(text)
    words = list(typed.texts)
    if not words or words[0] != "grep" or typed.filter is not None:
        return GrepProblem(words[0] if words else "|")
    words.pop(0)
    flags: set[str] = set()
    while words and words[0].startswith("-") and len(words[0]) > 1:
        letters = set(words[0][1:])
        if letters - _FLAGS:
            return GrepProblem(words[0])
        flags |= letters
        words.pop(0)
    if len(words) != 1:
        return GrepProblem(words[1] if words else "grep")
    pattern = words[0].lower() if "i" in flags else words[0]
    try:
        return Filter(_Grep(LinePattern(pattern), frozenset(flags)))
    except PatternError:
        return GrepProblem(words[0])


class _Grep:
    """A filter with its flags."""

    def __init__(self, pattern: LinePattern, flags: frozenset[str]) -> None:
        self._pattern = pattern
        self._flags = flags

    def __call__(self, lines: list[str]) -> list[str]:
        hits = [self._fits(line) for line in lines]
        if "c" in self._flags:
            return [str(sum(hits))]
        if "f" in self._flags:
            return blocks(lines, hits)
        kept = [(number, line) for number, line in enumerate(lines, start=1) if hits[number - 1]]
        if "n" in self._flags:
            return [f"{number}:{line}" for number, line in kept]
        return [line for _, line in kept]

    def _fits(self, line: str) -> bool:
        text = line.lower() if "i" in self._flags else line
        return self._pattern.matches(text) != ("v" in self._flags)


def blocks(lines: list[str], hits: list[bool]) -> list[str]:
    """The configuration blocks that have a hit: entries whole, with the tables around them."""
    kept = [False] * len(lines)
    opened: list[int] = []
    for index, line in enumerate(lines):
        words = line.split(None, 1)
        first = words[0] if words else ""
        if first in ("config", "edit"):
            opened.append(index)
        if hits[index]:
            _keep_around(lines, kept, opened)
        if first in ("end", "next") and opened:
            opened.pop()
    return [
        line + (_MARK if hit else "")
        for line, keep, hit in zip(lines, kept, hits, strict=True)
        if keep
    ]


def _keep_around(lines: list[str], kept: list[bool], opened: list[int]) -> None:
    """Keeps the innermost block, and first and last line of each around it."""
    for depth, start in enumerate(opened):
        end = _end_of(lines, start)
        kept[start] = kept[end] = True
        if depth == len(opened) - 1:
            kept[start : end + 1] = [True] * (end + 1 - start)


def _end_of(lines: list[str], start: int) -> int:
    depth = 0
    for index in range(start, len(lines)):
        first = (lines[index].split(None, 1) or [""])[0]
        depth += first in ("config", "edit")
        depth -= first in ("end", "next")
        if not depth:
            return index
    return len(lines) - 1
