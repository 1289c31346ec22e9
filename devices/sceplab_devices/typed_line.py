"""The line being typed at a terminal: a key changes it, or asks for something else."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from sceplab_devices import keys
from sceplab_devices.completer import Completer
from sceplab_devices.editing import LineEditor
from sceplab_devices.screen import Screen


class Gesture(Enum):
    """What a key asks for that does not change the line."""

    ENTER = auto()
    INTERRUPT = auto()
    SUSPEND = auto()
    HELP = auto()
    REDRAW = auto()
    """Prompt and line are to be shown on a new line."""


_GESTURES = {
    keys.ENTER: Gesture.ENTER,
    keys.INTERRUPT: Gesture.INTERRUPT,
    keys.SUSPEND: Gesture.SUSPEND,
    "\x12": Gesture.REDRAW,
    "\x0c": Gesture.REDRAW,
}
"""Redraw: Ctrl-R and Ctrl-L."""


class TypedLine:
    """Carries out keys on the line of one terminal.

    Args:
        editor: holds the line.
        screen: shows what keys do.
        completer: answers the completion keys.
        find: gives the whole lines that the part before the cursor may become.

    Attributes:
        is_literal_next: Ctrl-V was typed; the next key is text.
    """

    __slots__ = ("_completer", "_editor", "_find", "_screen", "is_literal_next")

    def __init__(
        self,
        editor: LineEditor,
        screen: Screen,
        completer: Completer,
        find: Callable[[str], list[str]],
    ) -> None:
        self._editor = editor
        self._screen = screen
        self._completer = completer
        self._find = find
        self.is_literal_next = False

    def press(
        self, key: str, *, is_command: bool, completion_keys: tuple[str, ...]
    ) -> Gesture | None:
        """Carries out a key; ``None`` when the line is all that it concerned.

        Args:
            key: as `sceplab_devices.keys` gives it.
            is_command: help, completion and history work, which an answer does not have.
            completion_keys: complete here and now.
        """
        if self.is_literal_next:
            self.is_literal_next = False
            if key.isprintable():
                self._screen.echo(self._editor.insert(key))
            return None
        gesture = _GESTURES.get(key)
        if gesture or (is_command and key == keys.HELP):
            return gesture or Gesture.HELP
        if key == keys.LITERAL:
            self.is_literal_next = True
        elif is_command and key in completion_keys:
            return self._complete(key)
        elif key.isprintable():
            self._screen.echo(self._editor.insert(key))
        else:
            self._screen.echo(self._editor.control(key, with_history=is_command))
        return None

    def _complete(self, key: str) -> Gesture | None:
        shown, reprints = self._completer.press(key, self._find)
        self._screen.echo(shown)
        return Gesture.REDRAW if reprints else None
