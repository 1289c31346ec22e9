"""Counts the effects of the process it runs in, and kills it before or after one of them.

An effect is a call that changes something outside the process's memory, or asks a key store. A
witness that knows nothing of the calls counted here looks on: the interpreter's audit events, and
the tree of files. What changes outside of a counted effect is a *ghost*.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = frozenset(
    {
        *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod"),
        *("os.chown", "os.truncate", "os.utime", "os.posix_spawn", "os.system"),
        *("socket.connect", "socket.sendto", "socket.sendmsg", "http.client.send"),
        *("socket.send", "socket.sendall", "socket.sendfile"),
        *("subprocess.Popen", "sqlite3.connect"),
    }
)


class Cutter:
    """See the module.

    Args:
        folder: of the agent; the witness looks at it.
        cut: number of the moment at which to die; ``None``: at none, and the witness looks on.
    """

    def __init__(self, folder: Path, cut: int | None) -> None:
        self.moments: list[str] = []
        self.ghosts: list[str] = []
        self._folder, self._cut = folder, cut
        self._open: list[str] = []
        self._is_looking = False
        self._temporary = tempfile.gettempdir() + "/"
        self._tree = self._look()
        if cut is None:
            sys.addaudithook(self._witness)
            self._watch_sockets()

    @property
    def effects(self) -> int:
        """How many effects there were."""
        return sum(moment.startswith("before") for moment in self.moments)

    def call(self, name: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """An effect: the call, with a moment before and one after it."""
        self._moment(f"before {name}")
        self._open.append(name)
        try:
            return function(*args, **options)
        finally:
            self._open.pop()
            self._moment(f"after {name}")

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as an effect."""

        def call(*args: Any, **options: Any) -> Any:
            return self.call(name, function, *args, **options)

        return call

    def place(self, path: Any) -> str:
        """A path, or what a descriptor is open on, for a name."""
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        text = os.fsdecode(path).replace(os.fspath(self._folder) + "/", "")
        # What the system's own directory for such files holds has names made by chance.
        return "a temporary file" if text.startswith(self._temporary) else text

    def _moment(self, name: str) -> None:
        number = len(self.moments)
        self.moments.append(name)
        if number == self._cut:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._cut is None:
            tree = self._look()
            is_own = bool(number) and name == self.moments[number - 1].replace("before", "after", 1)
            # A program that was started changes files while moments inside its start go by.
            is_own |= any(inside.startswith("! ") for inside in (*self._open, name[6:]))
            if tree != self._tree and not is_own:
                changed = sorted({self.place(path) for path, *_ in tree ^ self._tree})
                self.ghosts.append(f"{changed} changed before: {name}")
            self._tree = tree

    def _look(self) -> frozenset[tuple[Any, ...]]:
        if self._cut is not None:
            return frozenset()
        self._is_looking = True
        found: set[tuple[Any, ...]] = set()
        _list_tree(os.fspath(self._folder), found)
        self._is_looking = False
        return frozenset(found)

    def _watch_sockets(self) -> None:
        # What is sent on a connection that stands is no audit event.
        for name in ("send", "sendall", "sendfile"):
            setattr(socket.socket, name, self._watched(name, getattr(socket.socket, name)))

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            self._witness("socket." + name, ())
            return call(*args, **options)

        return run

    def _witness(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._is_looking:
            return
        is_change = event in _CHANGING
        if event == "open" and not isinstance(arguments[0], int):
            flags = arguments[2]
            is_change = isinstance(flags, int) and bool(flags & _WRITING)
        if is_change and not any(name.startswith("! ") for name in self._open):
            self.ghosts.append(f"{event} {str(arguments)[:120]} within {self._open}")


def _list_tree(folder: str, found: set[tuple[Any, ...]]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            # SQLite's shared memory is gone with the last process; its locks change it.
            if not entry.name.endswith("-shm"):
                status = entry.stat(follow_symlinks=False)
                is_folder = entry.is_dir(follow_symlinks=False)
                change = 0 if is_folder else status.st_mtime_ns
                found.add((entry.path, status.st_mode, status.st_ino, status.st_size, change))
                if is_folder:
                    _list_tree(entry.path, found)
