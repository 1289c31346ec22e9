"""Files that are whole or not there, also after a power cut."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from pathlib import Path

_TEMPORARY_SUFFIX = ".new"
AS_IT_IS = (-1, -1)
"""An owner that is not changed."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""System errors of a disk that is full, read-only or failing."""
MAKE_ROOM = "make room on its disk, or make the disk writable"
"""The next step after one of `NO_ROOM`."""
_PARENT_MODE = 0o777
"""Before the umask, as `Path.mkdir` makes parents."""


def replace_file(
    path: Path, content: bytes, *, mode: int, owner: tuple[int, int] = AS_IT_IS
) -> None:
    """Puts content under a name in one step: the old file stays until the new one is durable.

    Args:
        path: its directory exists, and only one process writes there.
        content: the whole file.
        mode: permission bits.
        owner: user and group number; -1: who makes it.

    Raises:
        OSError: the old file is still in its place.
    """
    temporary = path.with_name(path.name + _TEMPORARY_SUFFIX)
    try:
        temporary.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(temporary, flags, mode), "wb") as file:
            os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def replace_link(path: Path, target: str) -> None:
    """Points a symbolic link elsewhere in one step, durably; makes it where there is none.

    Args:
        path: of the link; its directory exists, and only one process writes there.
        target: what the link is to say, as it stands in the link.

    Raises:
        OSError: the old link is still in its place.
    """
    temporary = path.with_name(path.name + _TEMPORARY_SUFFIX)
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def remove_cut_off(path: Path) -> None:
    """Removes what a `replace_link` of the path left when it was cut off."""
    temporary = path.with_name(path.name + _TEMPORARY_SUFFIX)
    if temporary.is_symlink():
        remove_link(temporary)


def remove_link(path: Path) -> None:
    """Removes a link or file, durably; one that is not there is no error.

    Raises:
        OSError: it is still there.
    """
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def set_aside(path: Path) -> Path:
    """Renames something damaged to its `damaged_name`, durably, so that its bytes are kept.

    Returns:
        Where it is now.

    Raises:
        OSError: it is still in its place.
    """
    aside = damaged_name(path)
    path.rename(aside)
    sync_directory(path.parent)
    return aside


def damaged_name(path: Path) -> Path:
    """The first of ``NAME.damaged-1``, ``NAME.damaged-2`` and so on that nothing has."""
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def remove_tree(path: Path) -> None:
    """Removes a directory with what is in it, durably; follows no link.

    Raises:
        OSError: part of it is still there.
    """
    shutil.rmtree(path)
    sync_directory(path.parent)


def is_read_only(path: Path) -> bool:
    """Whether a path, or the nearest parent that is there, is on a disk mounted for reading alone.

    Raises:
        OSError: the system does not say.
    """
    while not path.exists():
        path = path.parent
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def make_directory(path: Path, *, mode: int) -> None:
    """Makes a directory with its parents, durably; one that is there stays as it is.

    Raises:
        OSError: it cannot be made, or something else has the name.
    """
    if path.is_dir():
        return
    if not path.parent.is_dir():
        # Each name by itself: a parent whose own name is lost takes everything with it.
        make_directory(path.parent, mode=_PARENT_MODE)
    path.mkdir(mode=mode, exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable."""
    _sync(path, os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Makes what a file holds durable, whoever wrote it."""
    _sync(path, os.O_NOFOLLOW)


def _sync(path: Path, flag: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flag)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
