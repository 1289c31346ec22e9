"""The durable journal: one SQLite file, WAL, every commit synced before it counts.

A file that is damaged, locked, of another program or of a newer version is refused with the next
step named. It is never repaired and never reset.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sceplab_agent.core.commands import Record
from sceplab_agent.durable import MAKE_ROOM, NO_ROOM, is_read_only, sync_directory
from sceplab_agent.errors import JournalError, JournalFullError
from sceplab_agent.journal import JournalEntry, StoredSnapshot, encode_json
from sceplab_agent.text import clean_text

FILE_NAME = "journal.sqlite3"
SCHEMA_VERSION = 1
_APPLICATION_ID = 0x53434550
_BUSY_TIMEOUT_S = 5.0
_FILE_MODE = 0o600
_PRIMARY_CODE = 0xFF
"""SQLite's extended result codes carry the primary one in their lowest byte."""
_CANNOT_WRITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    trustpoint TEXT NOT NULL,
    event_id TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX entry_of_trustpoint ON entry (trustpoint, seq);
CREATE TABLE snapshot (
    trustpoint TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES entry (seq),
    body TEXT NOT NULL
) STRICT;
PRAGMA application_id = {application_id};
PRAGMA user_version = {version};
COMMIT;
"""


class SqliteJournal:
    """`Journal` in a file. Made by `create_or_open`, or by `open_read_only` for a look.

    Args:
        connection: of a database that was checked.
        path: for texts.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._lock = threading.Lock()

    @classmethod
    def create_or_open(cls, path: Path) -> SqliteJournal:
        """Opens the journal for writing; an absent file is made, mode 0600.

        The directory has to exist.

        Raises:
            JournalError: damaged, locked, of another program, or of a newer version.
        """
        with _reported(path):
            if not path.exists():
                _create(path)
            connection = _connect(path, "rw")
            try:
                _check(connection, path)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
            except BaseException:
                connection.close()
                raise
        return cls(connection, path)

    @classmethod
    def open_read_only(cls, path: Path) -> SqliteJournal | None:
        """Opens the journal for a look; ``None`` when there is none. Makes none.

        It can be looked at on a read-only disk, too, if its last writer closed it.

        Raises:
            JournalError: as `create_or_open`.
        """
        if not path.exists():
            return None
        with _reported(path):
            connection = _connect(path, "ro&immutable=1" if _is_at_rest(path) else "ro")
            try:
                _check(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(connection, path)

    def commit(self, trustpoint: str, at: datetime, record: Record) -> JournalEntry:
        """See `Journal.commit`."""
        details, body = encode_json(record.details), encode_json(record.snapshot)
        with self._lock, _reported(self._path), self._transaction():
            cursor = self._connection.execute(
                "INSERT INTO entry (at, trustpoint, event_id, details) VALUES (?, ?, ?, ?)",
                (at.isoformat(), trustpoint, record.event_id, details),
            )
            seq = int(cursor.lastrowid or 0)
            self._connection.execute(
                "INSERT INTO snapshot (trustpoint, at, seq, body) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (trustpoint) DO UPDATE "
                "SET at = excluded.at, seq = excluded.seq, body = excluded.body",
                (trustpoint, at.isoformat(), seq, body),
            )
        return JournalEntry(
            seq=seq,
            at=at,
            trustpoint=trustpoint,
            event_id=record.event_id,
            details=json.loads(details),
        )

    def snapshot(self, trustpoint: str) -> StoredSnapshot | None:
        """See `Journal.snapshot`."""
        rows = self._select("SELECT at, body FROM snapshot WHERE trustpoint = ?", (trustpoint,))
        if not rows:
            return None
        at, body = rows[0]
        return StoredSnapshot(at=self._moment(at), body=self._object(body))

    def entries(
        self, trustpoint: str | None = None, *, after: int = 0, limit: int = 1000
    ) -> list[JournalEntry]:
        """See `Journal.entries`."""
        rows = self._select(
            "SELECT seq, at, trustpoint, event_id, details FROM entry "
            "WHERE seq > ? AND (? IS NULL OR trustpoint = ?) ORDER BY seq LIMIT ?",
            (after, trustpoint, trustpoint, limit),
        )
        return [
            JournalEntry(
                seq=seq,
                at=self._moment(at),
                trustpoint=name,
                event_id=event_id,
                details=self._object(details),
            )
            for seq, at, name, event_id, details in rows
        ]

    def trustpoints(self) -> list[str]:
        """See `Journal.trustpoints`."""
        return [name for (name,) in self._select("SELECT trustpoint FROM snapshot ORDER BY 1", ())]

    def close(self) -> None:
        """See `Journal.close`."""
        with self._lock:
            self._connection.close()

    def _select(self, query: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock, _reported(self._path):
            return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _moment(self, text: str) -> datetime:
        try:
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise _damaged(self._path, "a moment is unreadable") from error

    def _object(self, text: str) -> Mapping[str, Any]:
        try:
            value = json.loads(text)
        except ValueError as error:
            raise _damaged(self._path, "an entry is no JSON") from error
        if not isinstance(value, dict):
            raise _damaged(self._path, "an entry is no JSON object")
        return value


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _is_at_rest(path: Path) -> bool:
    """Whether nothing of the journal can change: SQLite then needs no files beside it."""
    return is_read_only(path) and not path.with_name(f"{path.name}-wal").exists()


def _create(path: Path) -> None:
    """Makes an empty journal under another name, then moves it into place.

    So a file under the right name is always whole, and an empty one is damage.
    """
    if path.with_name(f"{path.name}-wal").exists():
        raise _damaged(path, "its -wal file is there and the journal itself is not")
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    os.close(descriptor)
    connection = _connect(temporary, "rw")
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(
            _SCHEMA.format(application_id=_APPLICATION_ID, version=SCHEMA_VERSION)
        )
    finally:
        connection.close()
    temporary.rename(path)
    sync_directory(path.parent)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raises when the database is not a journal this version can use."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not path.stat().st_size:
        raise _damaged(path, "it is empty")
    if application_id != _APPLICATION_ID:
        raise JournalError(f"{path} is a database of another program; choose another state_dir")
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} was written by a newer version (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); use that version again"
        )
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise _damaged(path, str(verdict))


def _damaged(path: Path, detail: str) -> JournalError:
    return JournalError(
        f"the journal {path} is damaged ({clean_text(detail)}); restore it from a copy, or move "
        "it away with its -wal and -shm files and enroll anew"
    )


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turns what SQLite and the system say into our error, with the next step."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise JournalError(
                f"the journal {path} is locked by another process; end that process"
            ) from error
        if error.sqlite_errorcode & _PRIMARY_CODE in _CANNOT_WRITE or is_read_only(path):
            raise JournalFullError(
                f"the journal {path} cannot be written: {error}; {MAKE_ROOM}"
            ) from error
        raise JournalError(
            f"the journal {path} cannot be used: {error}; give this user access to it and to its "
            "directory"
        ) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        text = f"the journal {path} cannot be opened: {error.strerror}"
        if error.errno in NO_ROOM:
            raise JournalFullError(f"{text}; {MAKE_ROOM}") from error
        raise JournalError(
            f"{text}; give this user access to it, or choose another state_dir"
        ) from error
