"""Words of a typed line: blanks part them, quotes hold them together, also over several lines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One word, quotes and backslashes taken away."""

    text: str
    start: int
    """Column of its first character, a quote included."""
    is_quoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedLine:
    """A line read to its end, or to the filter behind ``|``."""

    words: tuple[Word, ...]
    is_open: bool
    """A quote was opened and not closed: the value goes on in the next line."""
    filter: str | None
    """Text behind the ``|``; ``None``: no filter was typed."""
    ends_with_blank: bool
    """The last word is complete."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The words without their places."""
        return tuple(word.text for word in self.words)


_QUOTES = "\"'"
_BLANKS = " \t\n"


def read_line(line: str) -> TypedLine:
    """Parts a line into words.

    A backslash takes the next character as it is, outside of quotes and inside double ones.
    """
    words: list[Word] = []
    at = 0
    while at < len(line):
        if line[at] in _BLANKS:
            at += 1
        elif line[at] == "|":
            return TypedLine(
                words=tuple(words), is_open=False, filter=line[at + 1 :], ends_with_blank=True
            )
        else:
            word, at, is_open = _read_word(line, at)
            words.append(word)
            if is_open:
                return TypedLine(
                    words=tuple(words), is_open=True, filter=None, ends_with_blank=False
                )
    ends = not line or line[-1] in _BLANKS
    return TypedLine(words=tuple(words), is_open=False, filter=None, ends_with_blank=ends)


def _read_word(line: str, start: int) -> tuple[Word, int, bool]:
    """A word, the place behind it, and whether its quote is still open."""
    text: list[str] = []
    quote = ""
    is_quoted = False
    at = start
    while at < len(line):
        char = line[at]
        if char == "\\" and quote != "'" and at + 1 < len(line):
            at += 1
            text.append(line[at])
        elif quote:
            if char == quote:
                quote = ""
            else:
                text.append(char)
        elif char in _QUOTES:
            quote, is_quoted = char, True
        elif char in _BLANKS or char == "|":
            break
        else:
            text.append(char)
        at += 1
    return Word("".join(text), start, is_quoted), at, bool(quote)


def quoted(text: str) -> str:
    """A word as configurations show it: in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def whole_lines(text: str) -> list[str]:
    """Lines of a saved configuration; one whose quote is open is joined with those behind it."""
    lines: list[str] = []
    held = ""
    for line in text.splitlines():
        held = f"{held}\n{line}" if held else line
        if not read_line(held).is_open:
            lines.append(held)
            held = ""
    return [*lines, held] if held else lines
