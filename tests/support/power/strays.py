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
    _connected[0].sendall(b"stray")


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
_connected: list[socket.socket] = []
STRAYS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "replace": ("os.rename", _replace_file),
    "write": ("open (", _write_file),
    "write-open": ("['service/verdict'] changed", _write_open_file),
    "send": ("socket.sendall", _send),
    "datagram": ("socket.sendto", _send_datagram),
    "connect": ("socket.connect", _connect),
    "sql": ("sqlite3.connect", _open_database),
    "program": ("os.posix_spawn", _start_program),
}
"""What the witness says of it, and the effect; given the folder of the agent."""


def add_stray(name: str, folder: Path) -> None:
    """Has this process's agent do one of them at each installation of a certificate.

    To be called before anybody looks on: it takes what it needs.
    """
    _open_before.append(posix.open(folder / "service" / "verdict", os.O_WRONLY | os.O_APPEND))
    _connected.extend(socket.socketpair())
    install, (_, stray) = FileInstaller.install, STRAYS[name]

    def install_and_stray(*args: Any, **options: Any) -> Any:
        stray(folder)
        return install(*args, **options)

    FileInstaller.install = install_and_stray  # type: ignore[method-assign]
