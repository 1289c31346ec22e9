"""What a command handler may wait for. One that asks or waits is a generator that yields these.

::

    def zeroize(ctx: CommandContext[Router]) -> Dialog:
        ctx.write(f"% Keys to be removed are named '{ctx.args['name']}'.")
        answer: str = yield Ask("Do you really want to remove these keys? [yes/no]: ")
        if answer == "yes":
            ctx.device.port.delete_key(ctx.args["name"])

Everything written before a step is on the terminal before the step starts. When the operator
presses Ctrl-C the generator is closed (``GeneratorExit`` at the ``yield``) and the prompt returns;
the same happens when the line drops. Clean up in ``finally``; do not yield there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

from sceplab_devices.api import PortEvent


@dataclass(frozen=True, slots=True)
class Ask:
    """Prints ``prompt`` without a line end and gives the typed line, without its line end.

    The answer is given as typed: not stripped, case kept. Help, Tab and history are off meanwhile.
    Repeated ``Ask("")`` reads a multi-line paste.
    """

    prompt: str
    echo: bool = True
    """False: nothing typed is shown (passwords). The line end is."""
    mask: str = ""
    """With ``echo`` off: shown for each typed character (``*`` with some vendors)."""


@dataclass(frozen=True, slots=True)
class AskKey:
    r"""Prints ``prompt`` and gives the next key as one character; no Enter needed.

    Enter gives ``"\\n"``. Keys outside ``keys`` are ignored unless ``keys`` is empty. The key is
    echoed when ``echo`` says so; then, and only then, the terminal goes to a new line.
    """

    prompt: str
    keys: str = ""
    echo: bool = True


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Gives the first `PortEvent` that ``match`` accepts, or ``None`` after ``timeout_s``.

    Events count from the start of the command on, so nothing is lost when the port answers at once
    or while a question is open. Each event is given once; those published before the accepted one
    are skipped.

    Ctrl-C and Ctrl-Shift-6 end the whole dialog. What is typed meanwhile is kept for later.
    """

    match: Callable[[PortEvent], bool]
    timeout_s: float
    holds_log: bool = False
    """Log lines come behind what the command prints next, not while it waits."""


Step: TypeAlias = Ask | AskKey | WaitFor
Dialog: TypeAlias = Generator[Step, Any, None]
"""What a handler that asks or waits returns. ``yield Ask(…)`` and ``yield AskKey(…)`` give ``str``,
``yield WaitFor(…)`` gives ``PortEvent | None``."""
