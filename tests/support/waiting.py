"""Waits for a condition that nothing announces, with a deadline. An event is better."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress

_GLANCE_S = 0.01
PATIENCE_S = 30.0


def wait_until(holds: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Returns as soon as the condition holds; fails when it never does, and says what it was."""
    pause = threading.Event()
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        pause.wait(_GLANCE_S)


async def until(holds: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """The same in an event loop, which goes on meanwhile."""
    pause = asyncio.Event()
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        with suppress(TimeoutError):
            await asyncio.wait_for(pause.wait(), _GLANCE_S)
