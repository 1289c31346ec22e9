"""Private files: read with care, written whole or not at all, never replaced.

Writers of one directory exclude each other by a lock on the directory itself, which the kernel
drops when a process dies; so no lock file is left behind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from sceplab_hsm.errors import StoreBusyError, StoreUnavailableError

_TEMPORARY = ".sceplab-new.tmp"
"""One name for every write of a directory: what a crash leaves, the next write removes."""
_LONGEST_WAIT_S = 60.0
_MAKE_ROOM = "make room on its disk, or make the disk writable"
_NEXT_STEPS = {
    errno.EACCES: "give this user access to it",
    errno.EPERM: "give this user access to it",
    errno.EISDIR: "move the directory of that name away, and restore the file",
    errno.ELOOP: "put the file itself in the place of that link",
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EROFS: _MAKE_ROOM,
}
_FIRST_NAP_S, _LONGEST_NAP_S = 0.0002, 0.005


@contextlib.contextmanager
def _reported(action: str, path: Path) -> Iterator[None]:
    """Turns what the system refuses into our error; absence and presence are the caller's."""
    try:
        yield
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError as error:
        step = _NEXT_STEPS.get(error.errno or 0, "look at the disk and its permissions")
        raise StoreUnavailableError(f"cannot {action} {path}: {error.strerror}; {step}") from error


def require_private(path: Path, status: os.stat_result) -> None:
    """Refuses a file or directory that others than its owner can reach.

    Raises:
        StoreUnavailableError: with the command that repairs it.
    """
    if status.st_mode & 0o077:
        mode = "700" if stat.S_ISDIR(status.st_mode) else "600"
        raise StoreUnavailableError(
            f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):o}); "
            f"run: chmod {mode} {path}"
        )


def make_private_directory(path: Path) -> None:
    """Makes the directory and what is missing of its parents, each 0700; others stay as they are.

    Raises:
        StoreUnavailableError: something else is in its place, or the system refuses.
    """
    with _reported("make the directory", path):
        if path.is_dir():
            return
        if path.parent != path:
            make_private_directory(path.parent)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        if not path.is_dir():
            raise StoreUnavailableError(f"{path} is not a directory")
        with _opened_directory(path.parent) as parent:
            os.fsync(parent)


def require_private_directory(path: Path) -> None:
    """Checks a directory before it is used.

    Raises:
        FileNotFoundError: it is not there.
        StoreUnavailableError: it is something else, or open to others.
    """
    with _reported("read", path):
        status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise StoreUnavailableError(f"{path} is not a directory")
    require_private(path, status)


def file_identity(status: os.stat_result) -> tuple[int, int]:
    """Tells one file from another that takes its name."""
    return status.st_ino, status.st_mtime_ns


def directory_identity(path: Path) -> str:
    """Tells one directory from another, however it is written; the name where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return f"directory:{os.path.realpath(path)}"
    return f"directory:{status.st_dev}:{status.st_ino}"


def names_in(directory: Path, suffix: str) -> list[str]:
    """Sorted names, without the suffix, of the files that have it.

    Raises:
        FileNotFoundError: the directory is not there.
        StoreUnavailableError: the system refuses.
    """
    with _reported("read", directory):
        names = os.listdir(directory)
    return sorted(name.removesuffix(suffix) for name in names if name.endswith(suffix))


def read_private(path: Path, *, limit_bytes: int) -> tuple[bytes, os.stat_result]:
    """Content and status of a private file; never follows a link, never waits for a pipe.

    Raises:
        FileNotFoundError: it is not there.
        StoreUnavailableError: not a plain file, too long, open to others or unreadable.
    """
    with _reported("read", path):
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise StoreUnavailableError(f"{path} is not a plain file")
            require_private(path, status)
            content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise StoreUnavailableError(f"{path} is longer than {limit_bytes} bytes; not one of ours")
    return content, status


def create_private(path: Path, content: bytes) -> None:
    """Writes a new file, mode 0600; it is durable when this returns.

    Raises:
        FileExistsError: the name is taken; nothing was changed.
        FileNotFoundError: the directory is gone.
        StoreUnavailableError: the system refuses.
    """
    temporary = path.with_name(_TEMPORARY)
    with _reported("write", path), locked_directory(path.parent) as directory:
        if os.path.lexists(path):
            raise FileExistsError(path)
        temporary.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        os.fsync(directory)


def remove(path: Path) -> None:
    """Removes a file, durably.

    Raises:
        FileNotFoundError: it is not there.
        StoreUnavailableError: the system refuses.
    """
    with _reported("remove", path), locked_directory(path.parent) as directory:
        path.unlink()
        os.fsync(directory)


@contextlib.contextmanager
def _opened_directory(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked_directory(path: Path) -> Iterator[int]:
    """Holds the lock on a directory against other processes and threads; gives its descriptor.

    Raises:
        StoreBusyError: another one holds it for too long.
    """
    # Each writer opens the directory anew, so the lock holds between threads as well.
    with _opened_directory(path) as descriptor:
        _lock(descriptor, path)
        try:
            yield descriptor
        finally:
            # A child that was forked meanwhile has the descriptor too and would keep the lock.
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _lock(descriptor: int, path: Path) -> None:
    deadline, nap_s = time.monotonic() + _LONGEST_WAIT_S, _FIRST_NAP_S
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > deadline:
            raise StoreBusyError(f"another process holds the lock on {path} for too long")
        time.sleep(nap_s)
        nap_s = min(nap_s * 2, _LONGEST_NAP_S)
