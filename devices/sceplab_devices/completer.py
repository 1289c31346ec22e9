"""How a completion key shows what it found: the three manners of ``[shell] completion``."""

from __future__ import annotations

from collections.abc import Callable

from sceplab_devices.editing import BELL, LineEditor

MANNERS = ("reprint", "in_place", "cycle")


class Completer:
    """Completes the words of one terminal's line.

    Args:
        manner: ``reprint`` shows prompt and completed line anew on a new line; ``in_place`` types
            the missing letters; ``cycle`` puts the next candidate in place at each key.
        editor: holds the line.
    """

    __slots__ = ("_candidates", "_editor", "_manner", "_offered")

    def __init__(self, manner: str, editor: LineEditor) -> None:
        self._manner = manner
        self._editor = editor
        self._candidates: list[str] = []
        self._offered = ("", 0)
        """Line and cursor as the last offer left them; anything else: the operator typed on."""

    def press(self, key: str, find: Callable[[str], list[str]]) -> tuple[str, bool]:
        """Answers a key.

        Args:
            key: Tab, or a blank.
            find: gives the whole lines that the part before the cursor may become.

        Returns:
            What the terminal gets, and whether prompt and line are to be shown on a new line.
        """
        if key == " ":
            return self._press_blank(find), False
        if self._manner == "cycle":
            return self._cycle(find), False
        editor = self._editor
        typed = editor.text[: editor.cursor]
        found = find(typed)
        if self._manner == "reprint":
            if len(found) != 1 or not self._fits(found[0]):
                return BELL, False
            self._put(found[0])
            return "", True
        common = _shared_start(found)
        shown = self._put(common) if len(common) > len(typed) and self._fits(common) else ""
        return (shown if len(found) == 1 and shown else shown + BELL), False

    def _press_blank(self, find: Callable[[str], list[str]]) -> str:
        """Answers a blank that completes: a plain blank where there is no one way to go on."""
        editor = self._editor
        typed = editor.text[: editor.cursor]
        found = find(typed) if typed.strip() and not typed.endswith(" ") else []
        if len(found) != 1 or not self._fits(found[0]):
            return editor.insert(" ")
        return self._put(found[0].rstrip(" ") + " ")

    def _cycle(self, find: Callable[[str], list[str]]) -> str:
        editor = self._editor
        if not self._candidates or self._offered != (editor.text, editor.cursor):
            self._candidates = find(editor.text[: editor.cursor])
        if not self._candidates or not self._fits(self._candidates[0]):
            self._candidates = []
            return BELL
        chosen = self._candidates.pop(0)
        self._candidates.append(chosen)
        shown = self._put(chosen)
        self._offered = (editor.text, editor.cursor)
        return shown

    def _fits(self, line: str) -> bool:
        editor = self._editor
        return len(line) + len(editor.text) - editor.cursor <= editor.limit

    def _put(self, line: str) -> str:
        editor = self._editor
        return editor.replace(line + editor.text[editor.cursor :], len(line))


def _shared_start(lines: list[str]) -> str:
    """The letters that all lines begin with."""
    if not lines:
        return ""
    first, last = min(lines), max(lines)
    same = (index for index, char in enumerate(first) if last[index : index + 1] != char)
    return first[: next(same, len(first))]
