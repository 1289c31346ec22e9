"""The terminal as it was, for processes that may end in the middle of a hidden prompt."""

from __future__ import annotations

import contextlib
import os
import termios
from collections.abc import Iterator
from typing import Any

CONTROLLING = "/dev/tty"


@contextlib.contextmanager
def terminal_kept(path: str = CONTROLLING) -> Iterator[None]:
    """Gives the terminal its settings back at the end.

    A prompt for a secret turns its echo off. The thread that asks is left behind when a signal ends
    the process, and would leave the terminal so.

    Args:
        path: of the terminal; without one nothing is done.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        settings = _settings(descriptor)
        try:
            yield
        finally:
            changed = _settings(descriptor) != settings
            if settings and changed and not _is_in_background(descriptor):
                with contextlib.suppress(termios.error):  # it was hung up
                    termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    finally:
        os.close(descriptor)


def _settings(descriptor: int) -> list[Any]:
    try:
        return list(termios.tcgetattr(descriptor))
    except termios.error:
        return []


def _is_in_background(descriptor: int) -> bool:
    """Whether the system would stop us for touching the terminal."""
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except OSError:
        return False  # not the terminal of our session
