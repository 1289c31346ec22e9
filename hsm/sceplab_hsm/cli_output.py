"""What `sceplab-hsm` prints: results on standard output, progress and errors beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence


class CommandError(Exception):
    """The command line asks for something that makes no sense, or its user thought again.

    Args:
        message: what, and what to do.
        exit_code: of the process.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Output:
    """Prints for a person or for a program.

    Args:
        as_json: one JSON document on standard output.
        prog: how the program is called.
    """

    def __init__(self, *, as_json: bool, prog: str) -> None:
        self.as_json = as_json
        self._prog = prog

    def say(self, text: str) -> None:
        """A line of progress."""
        print(text, file=sys.stderr, flush=True)

    def fail(self, message: str, code: int) -> int:
        """Tells an error; gives the exit code back."""
        if self.as_json:
            self._document({"ok": False, "exit_code": code, "error": message})
        else:
            self.say(f"{self._prog}: {message}")
        return code

    def answer(self, value: Mapping[str, object], text: str) -> None:
        """The result, as JSON or as text."""
        if self.as_json:
            self._document({"ok": True, "exit_code": 0, **value})
        else:
            print(text, flush=True)

    @staticmethod
    def _document(value: Mapping[str, object]) -> None:
        print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; two spaces between."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    ]
    return "\n".join(lines)


def pairs(rows: Sequence[tuple[str, str]]) -> str:
    """One ``name  value`` a line."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in rows)
