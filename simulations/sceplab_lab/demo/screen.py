"""What the audience of the demo sees: headings, the console, states, messages, a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.box import ASCII
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PLAIN_WIDTH = 110
"""Columns where the output is no terminal, so that transcripts do not depend on a window."""

_COLUMN_WIDTH = 32
"""A SHA-256 fingerprint then takes two lines."""


class Screen:
    """Prints to one stream; colours only on a terminal.

    Args:
        stream: where to.
        is_quiet: prints nothing at all.
    """

    def __init__(self, stream: TextIO, *, is_quiet: bool = False) -> None:
        self._stream = stream
        self._is_quiet = is_quiet
        width = None if stream.isatty() else _PLAIN_WIDTH
        self._rich = Console(file=stream, width=width, highlight=False, quiet=is_quiet)
        self._acts = 0
        self._tail = ""
        """What stands on the console's last line, usually a prompt."""
        self._is_in_line = False

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches."""
        return self._stream.isatty()

    def act(self, title: str) -> None:
        """Begins the next act."""
        self._acts += 1
        self._end_line()
        self._print("")
        self._print(f"== {self._acts}. {title}", style="bold cyan")
        self._print("")

    def say(self, text: str) -> None:
        """The narrator speaks."""
        self._end_line()
        for line in text.splitlines():
            self._print(f"   {line}", style="green")

    def console(self, text: str) -> None:
        """What the router's console prints, as it comes."""
        if self._is_quiet or not text:
            return
        if not self._is_in_line:
            self._stream.write(self._tail)  # back to the console: its prompt is still there
        self._stream.write(text)
        self._stream.flush()
        self._tail = (self._tail + text).rpartition("\n")[2]
        self._is_in_line = True

    def states(self, trustpoint: str, path: Sequence[str]) -> None:
        """The way an enrollment took through its states."""
        self._end_line()
        self._print(f"   state of {trustpoint}: {' -> '.join(path)}", style="yellow")

    def block(self, title: str, lines: Sequence[str]) -> None:
        """A decoded message."""
        self._end_line()
        self._print(f"   +-- {title}", style="magenta")
        for line in lines:
            self._print(f"   |  {line}", style="magenta")
        self._print("   +--", style="magenta")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; long values are folded."""
        self._end_line()
        table = Table(box=ASCII)
        for number, column in enumerate(columns):
            table.add_column(column, overflow="fold", max_width=_COLUMN_WIDTH if number else None)
        for row in rows:
            table.add_row(*row)
        self._rich.print(table)

    def _end_line(self) -> None:
        if self._is_in_line and self._tail:
            self._stream.write("\n")
        self._is_in_line = False

    def _print(self, text: str, style: str = "") -> None:
        self._rich.print(Text(text, style=style), soft_wrap=True)
