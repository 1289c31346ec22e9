"""Configuration lines carried out without a terminal: a saved configuration, or a lab's own lines.

The lines mean what they mean when typed, but nothing is a key: ``?`` and control characters are
text, no line is cut, and nobody is asked anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sceplab_devices.builtin import PRIVILEGED
from sceplab_devices.context import CommandContext
from sceplab_devices.running import CommandRun
from sceplab_devices.session import LineInfo, open_session

if TYPE_CHECKING:
    from sceplab_devices.device import Device

MEMORY_LINE = LineInfo(name="memory", kind="console")
"""What a session of this kind is on, as `Session.line` says."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A line that the device had something to say about."""

    line: str
    text: str
    """What a terminal would have shown."""
    number: int = 0
    """Which of the lines it was, from 1."""

    def for_log(self) -> str:
        """The remark without what may be a secret: the line has its first word only.

        A damaged line cannot be trusted to have its secret where the platform expects it.
        """
        first, *rest = self.line.split() or [""]
        words = {word.strip("\"'") for word in rest} if rest else {first.strip("\"'")}
        text = self.text
        for word in sorted(words - {""}, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "*", text)
        shown = f"{first} …" if rest else "…"
        return f"line {self.number} ({shown}): {' '.join(text.split())}"


def carry_out(device: Device, lines: Iterable[str], *, mode: str) -> list[Remark]:
    """Carries out lines as an operator with all rights would, from inside a mode.

    A command that asks is dropped at its question.

    Args:
        device: what is configured.
        lines: without line ends.
        mode: mode the first line is read in; left at the end, with every mode opened above it.
    """
    session = open_session(device.profile, MEMORY_LINE, device.now())
    session.privilege = PRIVILEGED
    context = CommandContext(device, session)
    context.enter_mode(mode)
    remarks = []
    for number, line in enumerate(lines, start=1):
        decision = device.profile.language.interpret(device, session, line)
        run = CommandRun(device, session, decision, line=line)
        run.start()
        text = run.take_output() if run.step is None else "it asks a question"
        run.close()
        if text:
            remarks.append(Remark(line.strip(), text.strip("\n"), number))
    context.end()
    return remarks
