"""Effects at which nobody could be killed, as an agent might have them that was changed since.

None goes through the calls that `borders` counts. Each is put into the installation of a
certificate, for which the agent has no counted effect of the system open.
"""

from __future__ import annotations

import os
import posix
import socket
import sqlite3.dbapi2
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sceplab_agent.install import FileInstaller

_WRITING = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC


def _replace_file(folder: Path) -> None:
    posix.rename(folder / "challenge", folder / "challenge")


def _write_file(folder: Path) -> None:
    os.close(posix.open(folder / "stray", _WRITING, 0o600))


def _write_open_file(folder: Path) -> None:
    posix.write(_open_before[0], b"\n")


def _send(folder: Path) -> None:
    for connection in _connected:
        connection.sendall(b"stray")


def _send_datagram(folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"stray", ("127.0.0.1", 9))


def _connect(folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect_ex(("127.0.0.1", 9))


def _open_database(folder: Path) -> None:
    sqlite3.dbapi2.Connection(folder / "stray").close()


def _start_program(folder: Path) -> None:
    program = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(program, 0)


_open_before: list[int] = []
_connected: tuple[socket.socket, ...] = ()
STRAYS: dict[str, Callable[[Path], None]] = {
    "replace": _replace_file,
    "write": _write_file,
    "write-open": _write_open_file,
    "send": _send,
    "datagram": _send_datagram,
    "connect": _connect,
    "sql": _open_database,
    "program": _start_program,
}
"""By name; each is given the folder of the agent."""


def add_stray(name: str, folder: Path) -> None:
    """Has this process's agent do one of them at each installation of a certificate."""
    global _connected  # noqa: PLW0603 - a child of its own for each agent
    _open_before.append(posix.open(folder / "service" / "verdict", os.O_WRONLY | os.O_APPEND))
    _connected = socket.socketpair()
    install, stray = FileInstaller.install, STRAYS[name]

    def install_and_stray(*args: Any, **options: Any) -> Any:
        stray(folder)
        return install(*args, **options)

    FileInstaller.install = install_and_stray  # type: ignore[method-assign]
