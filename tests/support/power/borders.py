"""Where effects are counted: files, SQL, sockets, programs, key store, journal, hand-off."""

from __future__ import annotations

import builtins
import http.client
import io
import os
import select
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from typing import Any

from sceplab_agent import key_stores
from sceplab_agent.handoff.api import HandOff
from sceplab_agent.handoff.files import FilesHandOff
from sceplab_agent.handoff.hook import HookHandOff
from sceplab_agent.install import FileInstaller
from sceplab_agent.journal_sqlite import SqliteJournal
from sceplab_hsm.api import KeyHandle, KeyMover, KeyStore
from tests.support.power.cutter import Cutter

_FILE_CALLS = (
    "mkdir", "rmdir", "unlink", "remove", "rename", "replace", "symlink", "link", "chmod", "fchmod",
    "lchown", "chown", "fchown", "truncate", "ftruncate", "utime", "fsync", "fdatasync",
    "pwrite",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_ANSWER_S = 20.0


def count_effects(cutter: Cutter) -> None:
    """Has every effect of this process go through the cutter, for good."""
    _count_files(cutter)
    _count_sql(cutter)
    _count_network(cutter)
    _count_programs(cutter)
    _count_key_stores(cutter)
    _count_methods(cutter, SqliteJournal, ("commit",))
    _count_methods(cutter, FileInstaller, ("install",))
    for consumer in (FilesHandOff, HookHandOff):
        _count_methods(cutter, consumer, _methods(HandOff))


def _methods(*protocols: type) -> tuple[str, ...]:
    return tuple(
        sorted(
            name
            for protocol in protocols
            for name, member in vars(protocol).items()
            if callable(member) and not name.startswith("_")
        )
    )


def _count_methods(cutter: Cutter, owner: type, names: tuple[str, ...]) -> None:
    for name in names:
        if name in vars(owner):
            counted = cutter.counted(f"{owner.__name__}.{name}", vars(owner)[name])
            setattr(owner, name, counted)


def _count_files(cutter: Cutter) -> None:
    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(path: Any, *args: Any, **options: Any) -> Any:
            return cutter.call(f"! {name} {cutter.place(path)}", call, path, *args, **options)

        return run

    for name in _FILE_CALLS:
        setattr(os, name, counted(name, getattr(os, name)))
    open_low, open_high = os.open, builtins.open

    def low(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if not flags & _WRITING:
            return open_low(path, flags, *args, **options)
        name = f"! open {cutter.place(path)}"
        return int(cutter.call(name, open_low, path, flags, *args, **options))

    def high(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if not set(mode) & set("wxa+"):
            return open_high(file, mode, *args, **options)
        if isinstance(file, int):
            return _CountedFile(cutter, open_high(file, mode, *args, **options), file)
        return cutter.call(f"! open {cutter.place(file)}", open_high, file, mode, *args, **options)

    os.open = low
    builtins.open = io.open = high


class _CountedFile:
    """A file whose bytes reach it by `flush` and `close`."""

    def __init__(self, cutter: Cutter, file: Any, descriptor: int) -> None:
        self._cutter, self._file, self._name = cutter, file, cutter.place(descriptor)

    def flush(self) -> None:
        """Writes what is buffered."""
        self._cutter.call(f"! write {self._name}", self._file.flush)

    def __enter__(self) -> _CountedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._cutter.call(f"! close {self._name}", self._file.close)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _count_sql(cutter: Cutter) -> None:
    connect = sqlite3.connect

    class Connection(sqlite3.Connection):
        """Counts every statement."""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            return cutter.call(f"! sql {' '.join(sql.split()[:3])}", self._run, sql, *values)

        def _run(self, sql: str, *values: Any) -> sqlite3.Cursor:
            cursor = super().execute(sql, *values)
            if sql.startswith("PRAGMA") and "=" in sql:
                cursor.fetchall()  # what it changes is committed when its last row is read
            return cursor

        def executescript(self, sql: str) -> sqlite3.Cursor:
            for statement in sql.split(";")[:-1]:
                cursor = self.execute(statement)
            return cursor

        def close(self) -> None:
            cutter.call("! sql close", super().close)

    sqlite3.connect = lambda *args, **options: cutter.call(
        "! sql connect", connect, *args, factory=Connection, **options
    )


def _count_network(cutter: Cutter) -> None:
    client = http.client.HTTPConnection
    answer = client.getresponse

    def wait_and_read(self: Any) -> Any:
        # Only now it is settled that the request has arrived.
        cutter.call("! served", select.select, [self.sock._connection], [], [], _ANSWER_S)
        return cutter.call("! answer", answer, self)

    socket.create_connection = cutter.counted("! connect", socket.create_connection)
    client.send = cutter.counted("! send", client.send)
    client.getresponse = wait_and_read


def _count_programs(cutter: Cutter) -> None:
    start = subprocess.Popen.__init__

    def start_and_end(self: Any, *args: Any, **options: Any) -> None:
        start(self, *args, **options)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    subprocess.Popen.__init__ = cutter.counted("! program", start_and_end)


def _count_key_stores(cutter: Cutter) -> None:
    opened = key_stores.open_key_store
    seen: set[type] = set()

    def give_key(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            key = call(*args, **options)
            if hasattr(key, "decrypt") and type(key) not in seen:
                seen.add(type(key))
                _count_methods(cutter, type(key), _methods(KeyHandle))
            return key

        return run

    def open_and_count(uri: str, *args: Any, **options: Any) -> Any:
        # A module writes where Python does not see it: there the whole call is one effect.
        name = "! key store open" if uri.startswith("pkcs11:") else "key store open"
        store = cutter.call(name, opened, uri, *args, **options)
        owner = type(store)
        if owner not in seen:
            seen.add(owner)
            for name in ("generate", "generate_exportable", "get"):
                if name in vars(owner):
                    setattr(owner, name, give_key(vars(owner)[name]))
            names = set(_methods(KeyStore, KeyMover)) - {"capabilities"}
            _count_methods(cutter, owner, tuple(sorted(names)))
        return store

    key_stores.open_key_store = open_and_count
