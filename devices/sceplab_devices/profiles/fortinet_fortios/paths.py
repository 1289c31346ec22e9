"""Finds what leading words mean among paths of keywords, each of which may be abbreviated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sceplab_devices.profiles.fortinet_fortios.words import Word

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A path that the first ``used`` words name."""

    path: Path
    used: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Why the words name no path."""

    kind: Literal["unknown", "ambiguous", "incomplete"]
    word: str = ""


def find_path(paths: Iterable[Path], words: Sequence[Word]) -> Found | Lost:
    """The longest path that the words name; words behind it are its arguments."""
    left = list(paths)
    best: Found | Lost = Lost("incomplete")
    for depth, word in enumerate(words):
        left, kind = _narrow(left, depth, word)
        if kind:
            return best if isinstance(best, Found) else Lost(kind, word.text)
        best = next((Found(p, depth + 1) for p in left if len(p) == depth + 1), best)
    return best


def next_keywords(paths: Iterable[Path], words: Sequence[Word]) -> list[str]:
    """Keywords that may follow the words, in the order of the paths."""
    left = list(paths)
    for depth, word in enumerate(words):
        left, kind = _narrow(left, depth, word)
        if kind:
            return []
    depth = len(words)
    return list(dict.fromkeys(path[depth] for path in left if len(path) > depth))


def pick(names: Iterable[str], typed: Word) -> str | Lost:
    """The name that a word stands for: itself, or the only one that begins so."""
    known = list(names)
    if typed.text in known:
        return typed.text
    fitting = [name for name in known if typed.text and name.startswith(typed.text)]
    if len(fitting) == 1:
        return fitting[0]
    return Lost("ambiguous" if fitting else "unknown", typed.text)


Kind = Literal["", "unknown", "ambiguous"]


def _narrow(paths: list[Path], depth: int, word: Word) -> tuple[list[Path], Kind]:
    """Paths whose keyword at ``depth`` the word stands for, and why there are none."""
    known = dict.fromkeys(path[depth] for path in paths if len(path) > depth)
    if word.is_quoted:
        return [], "unknown"
    picked = pick(known, word)
    if isinstance(picked, Lost):
        return [], "ambiguous" if picked.kind == "ambiguous" else "unknown"
    return [path for path in paths if len(path) > depth and path[depth] == picked], ""
