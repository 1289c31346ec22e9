"""Where the work of an emulated device is done: in threads beside an event loop, or right here.

A device and its port live in one thread. Cryptography, key store, journal and HTTP are jobs; what
they report is handed back to the owner's thread in the order it happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol


class Worker(Protocol):
    """Runs jobs."""

    def run(self, job: Callable[[], None], then: Callable[[BaseException | None], None]) -> None:
        """Runs ``job``; ``then`` gets its exception or ``None``, in the owner's thread."""

    def report(self, call: Callable[[], None]) -> None:
        """From any thread: has ``call`` made in the owner's, in order and before ``then``."""


class InlineWorker:
    """Does everything at once, for one thread and virtual time."""

    def run(self, job: Callable[[], None], then: Callable[[BaseException | None], None]) -> None:
        """See `Worker.run`."""
        try:
            job()
        except Exception as error:
            then(error)
        else:
            then(None)

    def report(self, call: Callable[[], None]) -> None:
        """See `Worker.report`."""
        call()


class LoopWorker:
    """Runs jobs in a pool; the owner's thread is the event loop's.

    Args:
        pool: closed by whoever made it, after the devices.
    """

    def __init__(self, pool: Executor) -> None:
        self._loop = asyncio.get_running_loop()
        self._pool = pool

    def run(self, job: Callable[[], None], then: Callable[[BaseException | None], None]) -> None:
        """See `Worker.run`."""
        future = self._loop.run_in_executor(self._pool, job)

        def done(finished: asyncio.Future[None]) -> None:
            if not finished.cancelled():
                then(finished.exception())

        future.add_done_callback(done)

    def report(self, call: Callable[[], None]) -> None:
        """See `Worker.report`."""
        self._loop.call_soon_threadsafe(call)
