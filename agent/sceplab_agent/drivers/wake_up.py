"""Wakes the one task that waits for something."""

from __future__ import annotations

import asyncio


class WakeUp:
    """As `asyncio.Event`, for one waiting task and in an eighth of the memory.

    A service has thousands. To be used in the loop's thread.
    """

    __slots__ = ("_is_set", "_waiter")

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def is_set(self) -> bool:
        """Whether it was set and not cleared since."""
        return self._is_set

    def set(self) -> None:
        """Wakes who waits, and from now on lets nobody wait."""
        self._is_set = True
        _end(self._waiter)

    def clear(self) -> None:
        """Has people wait again."""
        self._is_set = False

    async def wait(self, seconds: float | None = None) -> None:
        """Returns when it is set, or after this time; ``None``: not before."""
        if self._is_set:
            return
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _end, waiter)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            if self._waiter is waiter:
                self._waiter = None


def _end(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
