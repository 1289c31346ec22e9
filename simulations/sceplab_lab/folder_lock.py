"""One device to a state folder: two would write the same journals and keys.

The lock is advisory and the system drops it with the process, however that ends. The file stays;
it only says who holds the lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sceplab_lab.errors import FolderInUseError

LOCK_FILE = "device.lock"
_MODE = 0o600
_PID_BYTES = 20


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Holds the folder, which exists, for this device.

    Raises:
        FolderInUseError: another device holds it.
        OSError: the folder cannot be written to.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(folder / LOCK_FILE, flags, _MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUseError(str(folder), _holder(descriptor)) from error
        _write(descriptor, b"%d\n" % os.getpid())
        try:
            yield
        finally:
            _write(descriptor, b"")
    finally:
        os.close(descriptor)


def _write(descriptor: int, text: bytes) -> None:
    with suppress(OSError):  # for people only: on a full disk the lock holds as well
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text, 0)


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, _PID_BYTES, 0).strip()
    return int(text) if text.isdigit() else None
