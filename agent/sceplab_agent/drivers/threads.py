"""Work in threads next to an event loop, and what a cancellation has to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def run_in_thread(function: Callable[[], T], /) -> T:
    """Runs a function that blocks for a short while. Cancelled, it ends when the function has.

    Raises:
        Exception: of the function.
    """
    return await completed(asyncio.to_thread(function))


async def completed(work: Awaitable[T]) -> T:
    """The result of work that cannot be stopped. Cancelled, it still waits for the work's end.

    Whoever closes journal and key store next must not do it under a thread's hands.
    """
    step = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        await asyncio.wait([step])
        error = None if step.cancelled() else step.exception()
        if error is not None:
            # What failed at the last moment is worth more than the cancellation.
            raise error from None
        raise
