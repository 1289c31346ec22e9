"""One SQLite database behind one lock: opening, schema, transactions. No meaning of any row here.

WAL and ``synchronous=FULL``: what is committed survives a power cut. Several threads share the
connection, several processes the file.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from sceplab_ndes.errors import StateError

SCHEMA_VERSION = 3
_BUSY_TIMEOUT_S = 30.0
_FILE_MODE = 0o600
_STATEMENTS = {
    0: ("depot.sql",),
    1: ("depot-1-to-2.sql", "depot-2-to-3.sql"),
    2: ("depot-2-to-3.sql",),
}
"""What leads to the present schema, by the one that is found; 0: none."""


class Database:
    """Connection to the depot.

    Args:
        path: the file; ``None`` keeps everything in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        if path is not None:
            _make_private(path)
        self._connection = sqlite3.connect(
            path or ":memory:",
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._apply_schema(path)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise StateError(f"{path}: not a depot of this program ({error})") from error
        except StateError:
            self._connection.close()
            raise

    def _apply_schema(self, path: Path | None) -> None:
        with self.transaction():
            version = int(self.row("PRAGMA user_version")[0])
            if version == SCHEMA_VERSION:
                return
            if version not in _STATEMENTS:
                raise StateError(
                    f"{path}: depot has schema {version}, this program knows {SCHEMA_VERSION}; "
                    "use the program version that made it, or another state folder"
                )
            folder = resources.files("sceplab_ndes").joinpath("data")
            for name in _STATEMENTS[version]:
                for statement in folder.joinpath(name).read_text("utf-8").split(";"):
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are one commit; an exception undoes them. May be nested."""
        with self._lock:
            if self._depth:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            else:
                self._connection.execute("COMMIT")
            finally:
                self._depth = 0

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Runs a writing statement; number of rows it changed. Only inside a transaction."""
        with self._lock:
            return self._connection.execute(statement, values).rowcount

    def insert(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Runs an INSERT; number of the new row. Only inside a transaction."""
        with self._lock:
            return self._connection.execute(statement, values).lastrowid or 0

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def first(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """First row of a query, or ``None``."""
        with self._lock:
            found: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
            return found

    def row(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The row of a query that always has one."""
        found = self.first(statement, values)
        assert found is not None
        return found

    def close(self) -> None:
        """Releases the file. Twice is harmless."""
        with self._lock:
            self._connection.close()


def _make_private(path: Path) -> None:
    """Makes the file, mode 0600, or closes it to others; SQLite's own files beside it follow.

    Raises:
        StateError: the system refuses.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, flags, _FILE_MODE))
        # Not by descriptor: closing one would drop the locks this process holds on the file.
        if stat.S_IMODE(path.stat().st_mode) != _FILE_MODE:
            path.chmod(_FILE_MODE)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}; choose another state folder") from error


@functools.lru_cache(maxsize=64)
def to_text(moment: datetime) -> str:
    """Column form of a moment; it sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def from_text(text: str) -> datetime:
    """The moment a column holds."""
    return datetime.fromisoformat(text)
