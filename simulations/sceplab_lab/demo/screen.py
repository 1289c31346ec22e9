"""What the audience of the demo sees: headings, the console, states, messages, a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PLAIN_WIDTH = 110
"""Columns where the output is no terminal, so that transcripts do not depend on a window."""


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
        self._stream.write(text)
        self._stream.flush()
        self._is_in_line = not text.endswith("\n")

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

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table."""
        self._end_line()
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._rich.print(table)

    def _end_line(self) -> None:
        if self._is_in_line and not self._is_quiet:
            self._stream.write("\n")
        self._is_in_line = False

    def _print(self, text: str, style: str = "") -> None:
        self._rich.print(Text(text, style=style), soft_wrap=True)
