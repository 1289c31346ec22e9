"""Whether a directory is nobody else's to change, so that a key may be put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_ROOT = 0
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class UnsafeDirectoryError(Exception):
    """Somebody else could put other files, or links, in the place of ours."""


def require_own(path: Path, *, user: int | None = None) -> None:
    """Refuses a directory, or a way to it, that others can change.

    Every directory from the root on belongs to root or to the agent's user and is writable by its
    owner alone. A sticky one on the way (``/tmp``) is taken: what is in it stays its owner's.
    Links on the way are followed and held to the same; the directory itself is none.

    Args:
        path: absolute; it exists.
        user: number of the agent's user; ``None``: this process's.

    Raises:
        UnsafeDirectoryError: not so; the message says what to change.
        OSError: it cannot be looked at.
    """
    user = os.geteuid() if user is None else user
    for place in (*reversed(path.parents), path):
        _require_own_entry(place, user, is_last=place == path)
    real = path.resolve(strict=True)
    for place in (*reversed(real.parents), real):
        _require_own_entry(place, user, is_last=place == real)


def _require_own_entry(place: Path, user: int, *, is_last: bool) -> None:
    status = place.lstat()
    if status.st_uid not in {_ROOT, user}:
        raise UnsafeDirectoryError(
            f"{place} belongs to user {status.st_uid}, who can replace what is written there; "
            "choose a directory of root or of the agent's own user"
        )
    if stat.S_ISLNK(status.st_mode):
        if is_last:
            raise UnsafeDirectoryError(
                f"{place} is a symbolic link; write where it leads to: {os.readlink(place)}"
            )
        return
    if not stat.S_ISDIR(status.st_mode):
        raise UnsafeDirectoryError(f"{place} is no directory")
    is_shared = status.st_mode & _WRITABLE_BY_OTHERS
    if is_shared and (is_last or not status.st_mode & stat.S_ISVTX):
        raise UnsafeDirectoryError(
            f"{place} is writable by others (mode {stat.S_IMODE(status.st_mode):o}); "
            f"run: chmod go-w {place}"
        )
