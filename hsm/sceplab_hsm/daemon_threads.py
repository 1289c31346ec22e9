"""Work in threads that no process waits for at its end, however long a call in them hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start_daemon(function: Callable[[], T], *, name: str = "sceplab-work") -> Future[T]:
    """Runs a function in a thread of its own; what it gives or raises is in the future.

    Args:
        function: may hang in a call of a library, which nothing can stop.
        name: of the thread.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=work, name=name, daemon=True).start()
    return future
