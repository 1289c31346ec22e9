"""Bytes at the speed of a serial cable, or late: a queue that lets them out in time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

BITS_A_BYTE = 10
"""A start bit, eight data bits, a stop bit."""
_SLICE_S = 0.01
"""Bytes of so much time leave together: a timer for each would cost more than it shows."""


class PacedQueue:
    """Lets bytes out in order.

    Args:
        let_out: gets the bytes that are due.
        baud: bits a second; 0: no limit.
        delay_s: how long each byte waits before it may leave.
    """

    __slots__ = ("_delay_s", "_free_at", "_is_held", "_let_out", "_queue", "_timer", "baud", "size")

    def __init__(
        self, let_out: Callable[[bytes], None], *, baud: int = 0, delay_s: float = 0.0
    ) -> None:
        self.baud = baud
        self.size = 0
        """Bytes that wait."""
        self._let_out = let_out
        self._delay_s = delay_s
        self._queue: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0
        self._is_held = False
        self._timer: asyncio.TimerHandle | None = None

    def put(self, data: bytes) -> None:
        """Adds bytes; those that are due leave before this returns."""
        if data:
            self._queue.append((asyncio.get_running_loop().time() + self._delay_s, data))
            self.size += len(data)
            self._run()

    def hold(self, *, held: bool) -> None:
        """Lets nothing out until it is called again with false."""
        self._is_held = held
        self._run()

    def clear(self) -> None:
        """Forgets what waits."""
        self._queue.clear()
        self.size = 0
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        if self._timer or self._is_held:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._queue:
            ready_at, data = self._queue[0]
            start = max(ready_at, self._free_at)
            if start > now:
                self._timer = loop.call_at(start, self._on_timer)
                return
            part = data
            if self.baud:
                bytes_a_second = self.baud / BITS_A_BYTE
                part = data[: max(1, int(bytes_a_second * _SLICE_S))]
                self._free_at = start + len(part) / bytes_a_second
            self._queue.popleft()
            if len(part) < len(data):
                self._queue.appendleft((ready_at, data[len(part) :]))
            self.size -= len(part)
            self._let_out(part)
            if self._is_held or self._timer:
                return

    def _on_timer(self) -> None:
        self._timer = None
        self._run()
