"""Paging: how much of an output a page holds, and what the keys at ``--More--`` do."""

from __future__ import annotations

NEXT_PAGE = " "
NEXT_LINE = "\r"


class Pager:
    """Holds back what does not fit on the page.

    Attributes:
        rest: text that waits; empty: nothing does.
    """

    __slots__ = ("_shown", "_used", "rest")

    def __init__(self) -> None:
        self.rest = ""
        self._used = 0
        self._shown = 0
        """Lines of the present output that were shown."""

    @property
    def percent(self) -> int:
        """How much of the output was shown."""
        return 100 * self._shown // max(self._shown + self.rest.count("\n"), 1)

    def restart(self) -> None:
        """The operator typed something: a new page begins."""
        self._used = 0
        self._shown = 0

    def show(self, text: str, length: int) -> str:
        r"""The part of ``text`` that fits on the page, whose last line is the prompt's.

        Args:
            text: lines with ``\\n`` ends.
            length: lines of the terminal; 0: everything fits.
        """
        room = max(length - 1, 1) - self._used
        if not length or text.count("\n") <= room:
            self._used += text.count("\n")
            return text
        end = 0
        for _ in range(room):
            end = text.index("\n", end) + 1
        self._used += room
        self._shown += room
        self.rest = text[end:]
        return text[:end]

    def answer(self, key: str, length: int) -> str:
        """What the key at the prompt brings up: a page, a line, or (any other key) nothing more."""
        text, self.rest = self.rest, ""
        if key == NEXT_PAGE:
            self._used = 0
        elif key == NEXT_LINE:
            self._used = max(length - 2, 0)
        else:
            return ""
        return self.show(text, length)
