"""Golden transcripts in tests: a wrong byte is an assertion with its place.

Set ``SCEPLAB_REWRITE_TRANSCRIPTS=1`` to write what the device really says into the files, for
review. The notation is `sceplab_devices.transcript`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from sceplab_devices.transcript import Screen, masked, play, read_transcript

REWRITE = "SCEPLAB_REWRITE_TRANSCRIPTS"


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
    given = dict(values or {})
    transcript = read_transcript(path.read_text(encoding="utf-8"), path.name)
    rewritten: list[str] = []
    for step in play(transcript, screen, values=dict(given), hooks=hooks or {}):
        part = step.part
        place = f"{path.name}:{part.line_number}: {part.marker}{part.argument}"
        assert step.has_echo, f"{place}: the terminal does not echo it so"
        rewritten += [part.marker + part.argument] if part.marker else []
        output = part.output
        if not step.matches:
            output = masked("\n".join(step.actual), given).split("\n")
        rewritten += [*part.comments, *output]
        if not os.environ.get(REWRITE) and not step.matches:
            assert step.actual == step.expected, place
    if os.environ.get(REWRITE):
        path.write_text("\n".join(rewritten) + "\n", encoding="utf-8")
