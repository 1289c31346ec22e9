"""Words of a typed line: split at blanks, quoted where a text has blanks, ended by pipes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"?|[^\s|"]+|\|')
_PLAIN = re.compile(r"[A-Za-z0-9_./:@,=+*%$~?&!<>-]+")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as typed."""

    text: str
    """Without its quotes."""
    offset: int
    """Column in the line."""
    quoted: bool = False
    is_open: bool = False
    """It begins with a quote that nothing closes."""


def split_words(line: str) -> list[Word]:
    """The words of a line; a pipe outside of quotes is a word of its own."""
    return [_word(found) for found in _WORD.finditer(line)]


def _word(found: re.Match[str]) -> Word:
    text = found[0]
    if not text.startswith('"'):
        return Word(text, found.start())
    is_closed = len(text) > 1 and text.endswith('"') and not _ends_escaped(text)
    inner = text[1:-1] if is_closed else text[1:]
    return Word(re.sub(r"\\(.)", r"\1", inner), found.start(), quoted=True, is_open=not is_closed)


def _ends_escaped(text: str) -> bool:
    body = text[1:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1


def split_pipes(words: list[Word]) -> list[list[Word]]:
    """The command and each filter behind it."""
    parts: list[list[Word]] = [[]]
    for word in words:
        if word.text == "|" and not word.quoted:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def quoted(text: str, *, always: bool = False) -> str:
    """``text`` as a configuration writes it: in quotes when it has to be."""
    if not always and _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
