"""Files that are whole or not there, also after a power cut."""

from __future__ import annotations

import os
from pathlib import Path

_TEMPORARY_SUFFIX = ".new"


def replace_file(path: Path, content: bytes, *, mode: int) -> None:
    """Puts content under a name in one step: the old file stays until the new one is durable.

    Args:
        path: its directory exists, and only one process writes there.
        content: the whole file.
        mode: permission bits.

    Raises:
        OSError: the old file is still in its place.
    """
    temporary = path.with_name(path.name + _TEMPORARY_SUFFIX)
    try:
        temporary.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(temporary, flags, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def make_directory(path: Path, *, mode: int) -> None:
    """Makes a directory with its parents, durably; one that is there stays as it is.

    Raises:
        OSError: it cannot be made, or something else has the name.
    """
    if path.is_dir():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=mode, exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
