"""What goes to the terminal: line ends, characters it can show, and where the cursor stands."""

from __future__ import annotations

import re

FULL_BYTES = 256 * 1024
"""With this much untaken output a console stops reading keys."""

_UNSHOWABLE = re.compile(r"[^\n\x20-\x7e]")


class Screen:
    """Output of one terminal, waiting to be taken.

    Only printable ASCII, CR, LF, backspace and bell leave it; anything else in a text becomes
    ``?``, so that a name inside a certificate cannot steer an operator's terminal.

    Args:
        newline: what ends a line on the wire.
    """

    __slots__ = ("_at_line_start", "_newline", "_parts", "_size", "is_full_after_take")

    def __init__(self, newline: str = "\r\n") -> None:
        self._newline = newline
        self._parts: list[str] = []
        self._size = 0
        self._at_line_start = True
        self.is_full_after_take = False

    @property
    def is_full(self) -> bool:
        """Nobody should add long output now."""
        return self._size >= FULL_BYTES

    def write(self, text: str) -> None:
        r"""Adds text whose lines end in ``\\n``."""
        if text:
            self._add(_UNSHOWABLE.sub("?", text))

    def echo(self, text: str) -> None:
        """Adds what the line editor made: may move the cursor back and ring the bell."""
        if text:
            self._add(text)

    def erase(self, sequence: str) -> None:
        """Wipes a paging prompt; the cursor is at the start of the line afterwards."""
        self._add(sequence)
        self._at_line_start = True

    def start_line(self) -> None:
        """Goes to a new line unless the cursor is at the start of one."""
        if not self._at_line_start:
            self._add("\n")

    def take(self) -> bytes:
        """Everything added since the last call."""
        self.is_full_after_take = self.is_full
        data = "".join(self._parts).encode("ascii", errors="replace")
        self._parts.clear()
        self._size = 0
        return data

    def _add(self, text: str) -> None:
        self._at_line_start = text.endswith("\n")
        self._parts.append(text.replace("\n", self._newline))
        self._size += len(text)
