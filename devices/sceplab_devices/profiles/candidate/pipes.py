"""Output filters behind ``|`` that both platforms know, and the pipes that change a rendering."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sceplab_devices.filters import Filter, Transform
from sceplab_devices.profiles.candidate.paths import Problem, ProblemKind
from sceplab_devices.profiles.candidate.words import Word
from sceplab_devices.regex import LinePattern, PatternError

WITH_PATTERN = ("match", "except", "find")


@dataclass(slots=True)
class Pipes:
    """What the pipes behind a command ask for.

    Attributes:
        filters: for the lines, in order.
        rendering: ``display set``, ``compare`` and the like, in the order typed.
        revision: number behind ``compare rollback``.
        pages: the output stops at the end of a page.
    """

    filters: list[Transform] = field(default_factory=list)
    rendering: list[str] = field(default_factory=list)
    revision: int = 0
    pages: bool = True

    def as_filter(self) -> Filter | None:
        """For the engine; ``None``: the output stays as it is."""
        return Filter(self.apply, pages=self.pages) if self.filters or not self.pages else None

    def apply(self, lines: list[str]) -> list[str]:
        """The lines that are left."""
        for chosen in self.filters:
            lines = chosen(lines)
        return lines


def read_pipes(parts: list[list[Word]], end: int, verbs: tuple[str, ...]) -> Pipes | Problem:
    """Understands what stands behind each pipe.

    Args:
        parts: words behind each pipe.
        end: column of the line's end.
        verbs: those that the platform knows.
    """
    pipes = Pipes()
    for words in parts:
        if not words:
            return Problem("missing", end)
        typed = words[0].text
        found = [typed] if typed in verbs else [v for v in verbs if v.startswith(typed)]
        if len(found) != 1:
            kind: ProblemKind = "ambiguous" if found else "invalid"
            return Problem(kind, words[0].offset, typed, tuple(found))
        problem = _read_one(pipes, found[0], words[1:], end)
        if problem:
            return problem
    return pipes


def _read_one(pipes: Pipes, verb: str, rest: list[Word], end: int) -> Problem | None:
    if verb in WITH_PATTERN:
        if not rest:
            return Problem("missing", end)
        try:
            pattern = _pattern(rest)
        except PatternError:
            return Problem("value", rest[0].offset, rest[0].text)
        pipes.filters.append(_PATTERNS[verb](pattern))
    elif verb == "count":
        pipes.filters.append(lambda lines: [f"Count: {len(lines)} lines"])
    elif verb == "last":
        number = int(rest[0].text) if rest and re.fullmatch(r"\d{1,6}", rest[0].text) else 10
        pipes.filters.append(lambda lines: lines[-number:] if number else [])
    elif verb == "no-more":
        pipes.pages = False
    elif verb == "display":
        if not rest:
            return Problem("missing", end)
        if not "set".startswith(rest[0].text):
            return Problem("invalid", rest[0].offset, rest[0].text)
        pipes.rendering.append("set")
    elif verb == "compare":
        pipes.rendering.append("compare")
        if rest and "rollback".startswith(rest[0].text) and len(rest) > 1:
            pipes.revision = int(rest[1].text) if re.fullmatch(r"\d{1,2}", rest[1].text) else 0
    return None


def _pattern(words: list[Word]) -> LinePattern:
    """Case does not count; an underscore is no class of its own as it is elsewhere."""
    text = " ".join(word.text for word in words)
    return LinePattern(text.lower().replace("_", "\\_"))


def _matching(pattern: LinePattern) -> Transform:
    return lambda lines: [line for line in lines if pattern.matches(line.lower())]


def _others(pattern: LinePattern) -> Transform:
    return lambda lines: [line for line in lines if not pattern.matches(line.lower())]


def _from_first(pattern: LinePattern) -> Transform:
    def chosen(lines: list[str]) -> list[str]:
        for at, line in enumerate(lines):
            if pattern.matches(line.lower()):
                return lines[at:]
        return []

    return chosen


_PATTERNS: dict[str, Callable[[LinePattern], Transform]] = {
    "match": _matching,
    "except": _others,
    "find": _from_first,
}
