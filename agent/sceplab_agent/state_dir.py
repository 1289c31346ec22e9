"""The state directory: one agent at a time writes there."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from sceplab_agent.durable import MAKE_ROOM, NO_ROOM, make_directory
from sceplab_agent.errors import JournalError, JournalFullError, StateDirBusyError

_MODE = 0o700


class StateDirLock:
    """Holds the state directory for this process, as long as the ``with`` block runs.

    The lock is on the directory itself and the kernel drops it with the process: no lock file is
    left behind.

    Args:
        path: made, mode 0700, when it is not there.

    Raises:
        StateDirBusyError: on entering: another agent works there.
        JournalError: on entering: it cannot be used; `JournalFullError` for want of a good disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> None:
        try:
            make_directory(self._path, mode=_MODE)
            descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            text = f"the state directory {self._path} cannot be used: {error.strerror}"
            if error.errno in NO_ROOM:
                raise JournalFullError(f"{text}; {MAKE_ROOM}") from error
            raise JournalError(
                f"{text}; give this user access to it, or choose another state_dir"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise StateDirBusyError(
                f"another sceplab-agent works in {self._path}; end it, or give this configuration "
                "a state_dir of its own"
            ) from error
        self._descriptor = descriptor

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
