"""Work in a forked child: for crashes and for two processes on one store."""

from __future__ import annotations

import os
from collections.abc import Callable

FAILED = 99
"""Status of a child whose work raised."""


def start_child(work: Callable[[], int]) -> int:
    """Runs the work in a child, which ends with its result as status; gives the child's pid."""
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            status = work()
        finally:
            os._exit(status)
    return child


def wait_for_child(child: int) -> int:
    """Exit status of a child of ours."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
