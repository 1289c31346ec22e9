r"""Golden transcripts: a console session as a text file, compared byte for byte.

A file is what a person sees, with markers at the start of a line::

    ;; comment, at any place
    R1#                          output, exactly; the last line before a marker has no line end
    > show clock                 typed, with Enter; the terminal must echo it
    12:00:00 UTC Mar 1 2026
    R1#
    >! s3cret                    typed, with Enter; only the line end comes back (passwords)
    >~ sh\t\x1a                 keys as they are (Python escapes, no Enter); their echo is output
    @ grant VPN                  calls the hook "grant" with "VPN"; what appears by itself follows
    {{name}}                     stands for a value given by the test, in output and typed text

Set ``SCEPLAB_REWRITE_TRANSCRIPTS=1`` to write what the device really says into the files, for
review.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

MARKERS = ("> ", ">! ", ">~ ", "@ ")
REWRITE = "SCEPLAB_REWRITE_TRANSCRIPTS"


class Screen(Protocol):
    """What a transcript is played against; `tests.support.consoles.Terminal` is one."""

    greeting: bytes

    def type(self, keys: str) -> str:
        """Sends keys; gives what appeared, CR LF as a line feed."""

    def later(self) -> str:
        """What appeared without typing."""

    def shown(self, data: bytes) -> str:
        """Received bytes as such text."""


@dataclass
class Part:
    """One action and the output behind it. The first part has no action."""

    line_number: int
    marker: str
    argument: str
    comments: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)


def read_transcript(text: str) -> list[Part]:
    """The parts of a transcript file."""
    parts = [Part(0, "", "")]
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        marker = next((marker for marker in MARKERS if line.startswith(marker)), "")
        if not marker and line + " " in MARKERS:
            marker = line + " "
        if line.startswith(";;"):
            parts[-1].comments.append(line)
        elif marker:
            parts.append(Part(number, marker, line[len(marker) :]))
        else:
            parts[-1].output.append(line)
    return parts


def play_transcript(
    path: Path,
    screen: Screen,
    *,
    values: Mapping[str, str] | None = None,
    hooks: Mapping[str, Callable[[str], None]] | None = None,
) -> None:
    """Types what the file says and asserts that the terminal shows what the file says.

    Args:
        path: the transcript.
        screen: a terminal just opened.
        values: what ``{{name}}`` stands for.
        hooks: what ``@ name argument`` calls.
    """
    values = values or {}
    hooks = hooks or {}
    parts = read_transcript(path.read_text(encoding="utf-8"))
    rewritten: list[str] = []
    for part in parts:
        place = f"{path.name}:{part.line_number}: {part.marker}{part.argument}"
        actual = _act(part, screen, values, hooks)
        if actual is None:
            raise AssertionError(f"{place}: the terminal does not echo it so")
        rewritten += [part.marker + part.argument] if part.marker else []
        rewritten += [*part.comments, *_masked(actual, values).split("\n")]
        if os.environ.get(REWRITE):
            continue
        expected = _filled("\n".join(part.output), values)
        assert actual.split("\n") == expected.split("\n"), place
    if os.environ.get(REWRITE):
        path.write_text("\n".join(rewritten) + "\n", encoding="utf-8")


def _act(
    part: Part,
    screen: Screen,
    values: Mapping[str, str],
    hooks: Mapping[str, Callable[[str], None]],
) -> str | None:
    """The output behind an action; ``None`` when the echo is not as marked."""
    argument = _filled(part.argument, values)
    if not part.marker:
        return screen.shown(screen.greeting)
    if part.marker == "@ ":
        name, _, rest = argument.partition(" ")
        hooks[name](rest)
        return screen.later()
    if part.marker == ">~ ":
        return screen.type(codecs.decode(argument, "unicode_escape"))
    actual = screen.type(argument + "\r")
    echo = ("" if part.marker == ">! " else argument) + "\n"
    return actual.removeprefix(echo) if actual.startswith(echo) else None


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)


def _masked(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        if value:
            text = text.replace(value, f"{{{{{name}}}}}")
    return text
