"""From received bytes to keys: text runs, control keys, cursor keys; not what keys mean.

A key is a string. Text is printable ASCII, as long a run as was received (``?`` always alone,
because it needs no Enter); control keys are one control character; cursor keys are given as the
control characters that do the same. CR, LF, CR LF and CR NUL each are one `ENTER`. Bytes above 0x7E
are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Collection

ENTER = "\r"
BACKSPACE = "\x7f"
INTERRUPT = "\x03"
"""Ctrl-C."""
BREAK = "\x1e"
"""Ctrl-Shift-6, the escape of Cisco devices."""
SUSPEND = "\x1a"
"""Ctrl-Z."""
LITERAL = "\x16"
"""Ctrl-V: the next key is text."""
HELP = "?"
TAB = "\t"
WORD_BACK, WORD_FORWARD, WORD_DELETE = "\x1bb", "\x1bf", "\x1bd"
WORD_CAPITAL, WORD_LOWER, WORD_UPPER = "\x1bc", "\x1bl", "\x1bu"
YANK, YANK_OLDER = "\x19", "\x1by"
WORD_BACK_DELETE = "\x17"

TYPE_AHEAD_LIMIT_BYTES = 64 * 1024

_TEXT = re.compile(rb"[\x20-\x3e\x40-\x7e]+|\?")
_WORDS = re.compile(rb"[\x21-\x3e\x40-\x7e]+|\?|\x20")
_SINGLE = re.compile(rb"[\x20-\x7e]")
_DROPPED = re.compile(rb"[\x80-\xff\x00]+")
_CR, _LF, _NUL, _ESCAPE = 0x0D, 0x0A, 0x00, 0x1B
_SEQUENCE = re.compile(rb"\x1b[\[O]([0-9;]{0,16})([@-~])")
_PARTIAL_SEQUENCE = re.compile(rb"\x1b(?:[\[O][0-9;]{0,16})?")
_CURSOR = {"A": "\x10", "B": "\x0e", "C": "\x06", "D": "\x02", "H": "\x01", "F": "\x05"}
_EDIT = {"1": "\x01", "3": "\x04", "4": "\x05", "7": "\x01", "8": "\x05"}
_KEYS = {_CR: ENTER, _LF: ENTER, 0x08: BACKSPACE, 0x7F: BACKSPACE}
_META = {
    "b": WORD_BACK, "f": WORD_FORWARD, "d": WORD_DELETE, "y": YANK_OLDER, "q": LITERAL,
    "c": WORD_CAPITAL, "l": WORD_LOWER, "u": WORD_UPPER,
    "\x08": WORD_BACK_DELETE, "\x7f": WORD_BACK_DELETE,
}  # fmt: skip


class KeyReader:
    """Bytes in, keys out, one at a time: what a key does may change how the next is read.

    Args:
        alone: characters that are never given as part of a run; a blank may be one.
    """

    __slots__ = ("_buffer", "_position", "_skip", "_text")

    def __init__(self, *, alone: Collection[str] = ()) -> None:
        self._text = _WORDS if " " in alone else _TEXT
        self._buffer = b""
        self._position = 0
        self._skip = False
        """The last byte was CR: a LF or NUL directly behind it belongs to it."""

    def feed(self, data: bytes) -> None:
        """Adds received bytes."""
        self._buffer = self._buffer[self._position :] + data
        self._position = 0

    def __len__(self) -> int:
        return len(self._buffer) - self._position

    def trim(self) -> None:
        """Forgets what exceeds the type-ahead limit; for a terminal nobody reads from right now."""
        if len(self) > TYPE_AHEAD_LIMIT_BYTES:
            self._buffer = self._buffer[: self._position + TYPE_AHEAD_LIMIT_BYTES]

    def take_interrupt(self) -> bool:
        """Drops everything up to the last Ctrl-C or Ctrl-Shift-6; false when there is none."""
        last = max(self._buffer.rfind(b"\x03"), self._buffer.rfind(b"\x1e"))
        if last < self._position:
            return False
        self._position = last + 1
        return True

    def next(self, *, single: bool = False) -> str | None:
        """The next key, ``None`` when more bytes are needed.

        Args:
            single: give text one character at a time.
        """
        buffer = self._buffer
        text = _SINGLE if single else self._text
        while self._position < len(buffer):
            byte = buffer[self._position]
            belongs_to_cr = self._skip and byte in (_LF, _NUL)
            self._skip = byte == _CR
            if found := text.match(buffer, self._position):
                self._position = found.end()
                return found[0].decode("ascii")
            if byte == _ESCAPE:
                key, is_partial = self._escape()
                if key or is_partial:
                    return key or None
            elif found := _DROPPED.match(buffer, self._position):
                self._position = found.end()
            else:
                self._position += 1
                if not belongs_to_cr:
                    return _KEYS.get(byte) or chr(byte)
        self._buffer, self._position = b"", 0
        return None

    def _escape(self) -> tuple[str, bool]:
        """Reads an escape sequence: its key (empty: dropped) and whether bytes are missing."""
        buffer, position = self._buffer, self._position
        if found := _SEQUENCE.match(buffer, position):
            self._position = found.end()
            final = found[2].decode("ascii")
            if final == "~":
                return _EDIT.get(found[1].decode("ascii"), ""), False
            return _CURSOR.get(final, ""), False
        partial = _PARTIAL_SEQUENCE.match(buffer, position)
        if partial and partial.end() == len(buffer):
            return "", True
        self._position += 1
        meta = _META.get(chr(buffer[position + 1]).lower(), "")
        if meta or buffer[position + 1] in b"[O":
            self._position += 1
        return meta, False
