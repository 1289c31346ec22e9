"""Where a running agent listens, and how it and its clients get there."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

NAME = "control.sock"
"""In the state directory: the socket itself, or a link to it."""
MAX_LINE_BYTES = 65_536
_PRIVATE = 0o177
"""Umask that leaves 0600."""
_CREDENTIALS = struct.Struct("3i")
"""struct ucred: pid, uid, gid. Spec: unix(7), SO_PEERCRED."""


def listen(state_dir: Path, environment: Mapping[str, str]) -> socket.socket:
    """A listening socket, mode 0600, in ``$RUNTIME_DIRECTORY`` or the state directory.

    The state directory must be locked by us: a socket found there belongs to nobody any more.

    Raises:
        OSError: it cannot be made.
    """
    link = state_dir / NAME
    link.unlink(missing_ok=True)
    runtime = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    path = Path(runtime) / NAME if runtime else link
    path.unlink(missing_ok=True)
    listener = _stream()
    try:
        before = os.umask(_PRIVATE)
        try:
            with _short(path) as address:
                listener.bind(address)
        finally:
            os.umask(before)
        listener.listen()
        listener.setblocking(False)
        if path != link:
            link.symlink_to(path)
    except BaseException:
        listener.close()
        raise
    return listener


def remove(state_dir: Path) -> None:
    """Takes the socket away again, and the link to it."""
    link = state_dir / NAME
    with contextlib.suppress(OSError):
        if link.is_symlink():
            link.readlink().unlink(missing_ok=True)
        link.unlink(missing_ok=True)


def connect(state_dir: Path) -> socket.socket | None:
    """A connection to the agent that runs there; ``None``: none does, or we may not."""
    connection = _stream()
    try:
        path = (state_dir / NAME).resolve()
        with _short(path) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection


def is_allowed(connection: socket.socket) -> bool:
    """Whether the process at the other end is of our user, or of root."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(data)
    return user in {os.geteuid(), 0}


def _stream() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """The path by way of its open directory: a socket's address has 107 bytes at most."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
