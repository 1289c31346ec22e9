"""SIGTERM and SIGHUP as an orderly end: what a command has begun is undone, as with Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_NUMBERS = (signal.SIGTERM, signal.SIGHUP)


class EndedError(KeyboardInterrupt):
    """A signal asks the process to end.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = 128 + number


@contextlib.contextmanager
def orderly_end() -> Iterator[None]:
    """Raises `EndedError` inside when such a signal arrives; further ones are ignored from then on.

    A signal that the process was started to ignore (``nohup``) stays ignored. Only the main thread
    can do this; in others nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (*_NUMBERS, signal.SIGINT)}
    for number in _NUMBERS:
        if before[number] not in (signal.SIG_IGN, None):  # None: not Python's own
            signal.signal(number, _end)
    try:
        yield
    finally:
        for restored, handler in before.items():
            if handler is not None:
                signal.signal(restored, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    for other in (*_NUMBERS, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)  # the end itself is not disturbed
    raise EndedError(number)
