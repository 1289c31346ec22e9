"""Work in threads next to an event loop, and what a cancellation has to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sceplab_hsm.daemon_threads import start_daemon

T = TypeVar("T")

GRACE_S = 5.0
"""How long a cancellation waits for a step under way. One that hangs longer is left behind."""


async def in_thread(function: Callable[[], T], /) -> T:
    """Runs a function in a daemon thread of its own. Cancelled, it leaves the thread behind.

    Not in the loop's pool: calls that hang would fill it, and the loop would wait for them at its
    end.

    Raises:
        Exception: of the function.
    """
    return await asyncio.wrap_future(start_daemon(function))


async def run_in_thread(function: Callable[[], T], /) -> T:
    """Runs a function that blocks for a short while. Cancelled, it ends as `completed` does.

    Raises:
        Exception: of the function.
    """
    return await completed(in_thread(function))


async def completed(work: Awaitable[T]) -> T:
    """The result of work that cannot be stopped. Cancelled, it still waits `GRACE_S` for its end.

    Whoever closes journal and key store next should not do it under a thread's hands. A call that
    hangs in a key store is given up like one that a power cut ended: the journal knows what to do
    at the next start, and refuses the thread once it is closed.
    """
    step = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        await asyncio.wait([step], timeout=GRACE_S)
        if not step.done():
            step.cancel()
            raise
        error = None if step.cancelled() else step.exception()
        if error is not None:
            # What failed at the last moment is worth more than the cancellation.
            raise error from None
        raise
