"""Runs a command of the operator: no shell, no input, few variables, bounded in time and output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_BYTES = 4096
"""How much of the output is kept: its end."""
_CHUNK = 4096
_LOOK_S = 0.05
"""How long a command may have ended before it is noticed, when a child keeps its output open."""
_BASE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}


class HookTimeoutError(Exception):
    """The command took too long and was killed with all that it started in its group.

    Args:
        output: end of what it printed until then.
    """

    def __init__(self, output: bytes) -> None:
        super().__init__("took too long")
        self.output = output


@dataclass(frozen=True, slots=True)
class HookEnd:
    """How a command ended."""

    status: int
    """Exit code; negative: the signal that ended it."""
    output: bytes
    """End of what it printed on standard output and error."""


def run_hook(
    command: Sequence[str], environment: Mapping[str, str], *, timeout_s: float
) -> HookEnd:
    """Runs a command to its end, in a process group of its own, from the root directory.

    Args:
        command: program and arguments.
        environment: variables beside ``PATH`` and ``LANG``; nothing else is inherited.
        timeout_s: seconds.

    Raises:
        OSError: the command cannot be started.
        HookTimeoutError: it did not end in time.
    """
    with subprocess.Popen(  # noqa: S603 - the operator's own command, and no shell
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**_BASE_ENVIRONMENT, **environment},
        cwd="/",
        start_new_session=True,
    ) as process:
        output = bytearray()
        try:
            is_over = _follow(process, output, deadline=time.monotonic() + timeout_s)
        except BaseException:
            _kill_group(process)
            raise
        if not is_over:
            _kill_group(process)
            raise HookTimeoutError(bytes(output))
        return HookEnd(process.wait(), bytes(output))


def _follow(process: subprocess.Popen[bytes], output: bytearray, *, deadline: float) -> bool:
    """Collects output until the process has ended; false: the deadline came first."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (left_s := deadline - time.monotonic()) > 0:
            # Asked first: what it printed before its end is still read below.
            has_ended = process.poll() is not None
            is_ready = bool(selector.select(0 if has_ended else min(left_s, _LOOK_S)))
            is_closed = is_ready and not _read(pipe, output)
            if has_ended and (is_closed or not is_ready):
                return True
            if is_closed:
                return _wait(process, deadline)
    return process.poll() is not None


def _read(pipe: int, output: bytearray) -> bool:
    """Keeps the end of what is there to be read; false: the pipe is closed."""
    chunk = os.read(pipe, _CHUNK)
    output += chunk
    del output[:-MOST_BYTES]
    return bool(chunk)


def _wait(process: subprocess.Popen[bytes], deadline: float) -> bool:
    try:
        process.wait(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    # The group may live on when its leader has ended, and its number is not given anew until then.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
