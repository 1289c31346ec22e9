"""The lab clock: one notion of now for server, agent and devices, which a script may move.

It runs with real time until it is moved, or stands still where a transcript has to come out the
same twice. Nothing else in the lab asks the operating system for the time of day.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

SEEDED_START = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)
"""Where the clock of a seeded run starts: a Monday morning."""


class LabClock:
    """A clock that can be moved forward.

    Args:
        start: first moment, aware UTC; ``None``: the present.
        runs: whether it moves with real time between two moves.
    """

    def __init__(self, start: datetime | None = None, *, runs: bool = True) -> None:
        self._base = start if start is not None else datetime.now(UTC)
        self._runs = runs
        self._since = time.monotonic()
        self._numbers = count()
        self._listeners: dict[int, Callable[[], None]] = {}

    def __call__(self) -> datetime:
        """The present moment of the lab, aware UTC."""
        if not self._runs:
            return self._base
        return self._base + timedelta(seconds=time.monotonic() - self._since)

    def on_move(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls ``listener`` after each move, so that timers can be set anew.

        Returns:
            What to call, once, when the listener wants to hear no more.
        """
        number = next(self._numbers)
        self._listeners[number] = listener

        def leave() -> None:
            self._listeners.pop(number, None)

        return leave

    def advance(self, step: timedelta) -> None:
        """Moves the clock forward.

        Raises:
            ValueError: the step is negative; certificates would be from the future.
        """
        if step < timedelta(0):
            raise ValueError("the lab clock moves forward only")
        self._base = self() + step
        self._since = time.monotonic()
        for listener in tuple(self._listeners.values()):
            listener()

    def run(self) -> None:
        """Lets a standing clock run with real time from now on."""
        self._base = self()
        self._since = time.monotonic()
        self._runs = True

    def seconds_until(self, moment: datetime) -> float | None:
        """Real seconds until ``moment`` comes by itself; 0: it is past, ``None``: it never will."""
        left = (moment - self()).total_seconds()
        if left <= 0:
            return 0.0
        return left if self._runs else None
