"""Yes-or-no questions."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sceplab_devices.context import CommandContext
from sceplab_devices.steps import Ask, Step


def ask_yes_no(
    ctx: CommandContext[Any], prompt: str, *, default: bool | None = None
) -> Generator[Step, Any, bool]:
    """The operator's answer, asked again until it is one.

    Args:
        ctx: of the command.
        prompt: the question.
        default: what Enter alone means; ``None``: it is no answer.
    """
    while True:
        typed: str = yield Ask(prompt)
        answer = typed.strip().lower()
        if answer and "yes".startswith(answer):
            return True
        if answer and "no".startswith(answer):
            return False
        if not answer and default is not None:
            return default
        ctx.say("answer.yes_or_no")
