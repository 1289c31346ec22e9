"""How long a driver sleeps before it looks at a machine's deadline again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

LONGEST_S = 60.0
"""Clocks jump and machines are suspended: nobody sleeps longer than this in one go."""
_SHORTEST_AGAIN_S = 1.0


class Pause:
    """Turns deadlines into sleeping times.

    Args:
        clock: now, aware UTC.
        longest_s: upper bound of one sleep.
    """

    __slots__ = ("_clock", "_longest_s", "_served")

    def __init__(self, clock: Callable[[], datetime], longest_s: float = LONGEST_S) -> None:
        self._clock = clock
        self._longest_s = longest_s
        self._served: datetime | None = None

    def seconds(self, deadline: datetime | None) -> float:
        """Seconds to sleep; 0 when the deadline has come.

        A deadline that was served already and did not move is not due again at once.
        """
        if deadline is None:
            return self._longest_s
        left_s = (deadline - self._clock()).total_seconds()
        if left_s <= 0 and deadline == self._served:
            self._served = None
            return _SHORTEST_AGAIN_S
        return min(max(left_s, 0.0), self._longest_s)

    def serve(self, deadline: datetime | None) -> None:
        """Notes that the machine is about to be told of this deadline."""
        self._served = deadline
