"""Line editor: keys change a line of text and give the characters that show it."""

from __future__ import annotations

from collections.abc import Callable

from sceplab_devices.keys import (
    BACKSPACE,
    WORD_BACK,
    WORD_BACK_DELETE,
    WORD_CAPITAL,
    WORD_DELETE,
    WORD_FORWARD,
    WORD_LOWER,
    WORD_UPPER,
    YANK,
    YANK_OLDER,
)

BELL = "\a"
KEPT_DELETIONS = 10


class LineEditor:
    """One line being typed, and the history behind it.

    Attributes:
        text: the line.
        cursor: place in it.
        limit: characters it may have; more are dropped with one bell.
    """

    __slots__ = (
        "_deleted", "_draft", "_history", "_mask", "_recalled", "_yanked", "cursor", "limit", "text"
    )  # fmt: skip

    def __init__(self, limit: int) -> None:
        self.text = ""
        self.cursor = 0
        self.limit = limit
        self._mask: str | None = None
        self._history: list[str] = []
        self._recalled = 0
        """Lines back in the history, 0: the line itself."""
        self._draft = ""
        self._deleted: list[str] = []
        """What keys took away in one go, the last one first."""
        self._yanked = ("", 0)
        """The line as `YANK` left it, and which deletion it put there."""

    def use_history(self, lines: list[str]) -> None:
        """Remembers lines there from now on."""
        self._history = lines

    def begin(self, *, mask: str | None = None) -> None:
        """Starts an empty line. ``mask``: shown for each character; ``""`` shows nothing."""
        self.text = ""
        self.cursor = 0
        self._mask = mask
        self._recalled = 0

    def remember(self, line: str, size: int) -> None:
        """Adds ``line`` to the history, which keeps ``size`` lines."""
        if line.strip() and size and self._history[-1:] != [line]:
            self._history.append(line)
        del self._history[: max(len(self._history) - size, 0)]

    @property
    def history(self) -> tuple[str, ...]:
        """Remembered lines, oldest first."""
        return tuple(self._history)

    def redraw(self) -> str:
        """What shows the line behind a fresh prompt, cursor in place."""
        return self._shown(self.text) + "\b" * len(self._shown(self.text[self.cursor :]))

    def insert(self, run: str) -> str:
        """Types characters."""
        room = self.limit - len(self.text)
        bell = BELL if len(run) > room else ""
        run = run[:room]
        tail = self.text[self.cursor :]
        self.text = self.text[: self.cursor] + run + tail
        self.cursor += len(run)
        shown_tail = self._shown(tail)
        return self._shown(run) + shown_tail + "\b" * len(shown_tail) + bell

    def control(self, key: str, *, with_history: bool) -> str:
        """Carries out an editing key; keys that edit nothing give nothing."""
        if key in _HISTORY_KEYS:
            return self._recall(_HISTORY_KEYS[key]) if with_history else ""
        if key in (YANK, YANK_OLDER):
            return self._yank(older=key == YANK_OLDER)
        action = _ACTIONS.get(key)
        if action is None:
            return ""
        text, cursor = action(self.text, self.cursor)
        if key in _KEEPING and len(text) < len(self.text) and self._mask is None:
            self._deleted.insert(0, self.text[cursor : cursor + len(self.text) - len(text)])
            del self._deleted[KEPT_DELETIONS:]
        return self.replace(text, cursor)

    def replace(self, text: str, cursor: int) -> str:
        """Sets line and cursor; gives the shortest redraw from the present cursor."""
        old, new = self._shown(self.text), self._shown(text)
        at = min(self.cursor, len(old))
        target = min(cursor, len(new))
        self.text, self.cursor = text, cursor
        same = 0
        while same < min(len(old), len(new)) and old[same] == new[same]:
            same += 1
        if old == new:
            return "\b" * (at - target) if target < at else new[at:target]
        start = min(at, same)
        wipe = max(len(old) - len(new), 0)
        return "\b" * (at - start) + new[start:] + " " * wipe + "\b" * (len(new) + wipe - target)

    def _yank(self, *, older: bool) -> str:
        """Puts the last deletion back; ``older``: the one before in place of what was put back."""
        text, number = self._yanked
        if not self._deleted or (older and text != self.text):
            return BELL
        start = self.cursor
        if older:
            start -= len(self._deleted[number])
            number = (number + 1) % len(self._deleted)
        else:
            number = 0
        kept, tail = self.text[:start], self.text[self.cursor :]
        put = self._deleted[number]
        if len(kept + put + tail) > self.limit:
            return BELL
        shown = self.replace(kept + put + tail, start + len(put))
        self._yanked = (self.text, number)
        return shown

    def _shown(self, text: str) -> str:
        return text if self._mask is None else self._mask * len(text)

    def _recall(self, direction: int) -> str:
        wanted = self._recalled + direction
        if not 0 <= wanted <= len(self._history):
            return BELL
        if self._recalled == 0:
            self._draft = self.text
        self._recalled = wanted
        text = self._history[-wanted] if wanted else self._draft
        return self.replace(text, len(text))


def _word_start(text: str, cursor: int) -> int:
    return len(text[:cursor].rstrip().rpartition(" ")[0]) + (" " in text[:cursor].rstrip())


def _word_end(text: str, cursor: int) -> int:
    skipped = len(text[cursor:]) - len(text[cursor:].lstrip())
    end = text.find(" ", cursor + skipped)
    return len(text) if end < 0 else end


def _delete_word_back(text: str, cursor: int) -> tuple[str, int]:
    start = _word_start(text, cursor)
    return text[:start] + text[cursor:], start


def _transpose(text: str, cursor: int) -> tuple[str, int]:
    second = min(cursor, len(text) - 1)
    if second < 1:
        return text, cursor
    return (
        text[: second - 1] + text[second] + text[second - 1] + text[second + 1 :],
        second + 1,
    )


def _with_word(text: str, cursor: int, change: Callable[[str], str]) -> tuple[str, int]:
    """Changes the letters from the cursor to the end of the word."""
    end = _word_end(text, cursor)
    return text[:cursor] + change(text[cursor:end]) + text[end:], end


def _capital(part: str) -> str:
    word = part.lstrip(" ")
    return part[: len(part) - len(word)] + word[:1].upper() + word[1:]


_HISTORY_KEYS = {"\x10": 1, "\x0e": -1}
_ACTIONS: dict[str, Callable[[str, int], tuple[str, int]]] = {
    "\x01": lambda text, _: (text, 0),
    "\x05": lambda text, _: (text, len(text)),
    "\x02": lambda text, at: (text, max(at - 1, 0)),
    "\x06": lambda text, at: (text, min(at + 1, len(text))),
    BACKSPACE: lambda text, at: (text[: max(at - 1, 0)] + text[at:], max(at - 1, 0)),
    "\x04": lambda text, at: (text[:at] + text[at + 1 :], at),
    "\x15": lambda text, at: (text[at:], 0),
    "\x18": lambda text, at: (text[at:], 0),
    "\x0b": lambda text, at: (text[:at], at),
    WORD_BACK_DELETE: _delete_word_back,
    "\x14": _transpose,
    WORD_BACK: lambda text, at: (text, _word_start(text, at)),
    WORD_FORWARD: lambda text, at: (text, _word_end(text, at)),
    WORD_DELETE: lambda text, at: (text[:at] + text[_word_end(text, at) :], at),
    WORD_CAPITAL: lambda text, at: _with_word(text, at, _capital),
    WORD_LOWER: lambda text, at: _with_word(text, at, str.lower),
    WORD_UPPER: lambda text, at: _with_word(text, at, str.upper),
}
"""Ctrl-A E B F, Backspace, Ctrl-D U X K W T, ESC b f d c l u."""
_KEEPING = frozenset({"\x15", "\x18", "\x0b", WORD_BACK_DELETE, WORD_DELETE})
"""What these take away can be put back with Ctrl-Y; ESC y goes back further."""
