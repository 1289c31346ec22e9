"""Paging: how much of an output a page holds, and what the keys at ``--More--`` do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sceplab_devices.screen import Screen

if TYPE_CHECKING:
    from sceplab_devices.shell import ShellSettings

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


class PagedOutput:
    """Puts long output on a terminal page by page, with the platform's prompt between pages.

    Args:
        screen: of the terminal.
        shell: has the prompt and what wipes it.
    """

    __slots__ = ("_pager", "_screen", "_shell")

    def __init__(self, screen: Screen, shell: ShellSettings) -> None:
        self._screen = screen
        self._shell = shell
        self._pager = Pager()

    def restart(self) -> None:
        """The operator typed something: a new page begins."""
        self._pager.restart()

    def drop(self) -> None:
        """Forgets what waits."""
        self._pager.rest = ""

    def show(self, text: str, length: int) -> bool:
        """Writes what fits; true when the prompt stands there and the rest waits for a key."""
        return self._write(self._pager.show(text, length))

    def answer(self, key: str, length: int) -> bool:
        """Wipes the prompt and writes what the key brings up; true when there is still more."""
        self._screen.erase(self._shell.more_erase)
        return self._write(self._pager.answer(key, length))

    def _write(self, text: str) -> bool:
        self._screen.write(text)
        if self._pager.rest:
            self._screen.write(self._shell.more.replace("{percent}", str(self._pager.percent)))
        return bool(self._pager.rest)
