"""A file as its consumer finds it: no link, of the right user, with the right permission bits."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from sceplab_agent.handoff.bundle import BundleError


def read_back(path: Path) -> tuple[bytes, os.stat_result]:
    """Content of a regular file that is no link, and its status.

    Raises:
        BundleError: it is something else.
        OSError: it is not there, or cannot be read.
    """
    # Not blocking: a pipe in its place would keep the agent for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{path} is no file")
            return file.read(), status
    except IsADirectoryError as error:
        raise BundleError(f"{path} is no file") from error
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise BundleError(f"{path} is a symbolic link") from error


def require_access(path: Path, status: os.stat_result, mode: int, owner: tuple[int, int]) -> None:
    """Refuses other permission bits, another user or another group.

    Raises:
        BundleError: it is not so.
    """
    found = stat.S_IMODE(status.st_mode) & ~stat.S_ISGID
    if found != mode:
        raise BundleError(f"{path} has mode {found:o} and not {mode:o}")
    if (status.st_uid, status.st_gid) != owner:
        raise BundleError(
            f"{path} belongs to another user or group ({status.st_uid}:{status.st_gid} and not "
            f"{owner[0]}:{owner[1]})"
        )
