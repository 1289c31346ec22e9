"""Locks between the processes of one user, in files that the kernel unlocks when a process dies."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sceplab_hsm.files import locked_directory, make_private_directory


@contextlib.contextmanager
def excluded(*names: str) -> Iterator[None]:
    """Holds a lock against other processes and threads of this user on this machine.

    Args:
        names: of the lock, from the general to the particular; parts of a path.

    Raises:
        StoreUnavailableError: the runtime directory cannot be used.
    """
    place = _runtime_directory()
    for name in names:
        place /= name
        make_private_directory(place)
    with locked_directory(place):
        yield


def _runtime_directory() -> Path:
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and os.path.isdir(given):
        base = Path(given) / "sceplab"
    else:
        base = Path(tempfile.gettempdir()) / f"sceplab-{os.getuid()}"
    make_private_directory(base)
    return base
