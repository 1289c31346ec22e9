"""Locks between the processes of one user, in files that the kernel unlocks when a process dies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sceplab_hsm.files import locked_directory, make_private_directory
from sceplab_hsm.runtime import runtime_directory


@contextlib.contextmanager
def excluded(*names: str) -> Iterator[None]:
    """Holds a lock against other processes and threads of this user on this machine.

    Args:
        names: of the lock, from the general to the particular; parts of a path.

    Raises:
        StoreUnavailableError: the runtime directory cannot be used.
        StoreBusyError: another process holds the lock for too long.
    """
    place = runtime_directory().joinpath(*names)
    make_private_directory(place)
    with locked_directory(place):
        yield
