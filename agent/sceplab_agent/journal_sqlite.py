"""The durable journal: one SQLite file, WAL, every commit synced before it counts.

What is damaged, locked, of another program or of a newer version is refused with the next step
named. Nothing is repaired and nothing is reset; see `journal_file`, `journal_seal`, `journal_mark`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sceplab_agent.core.commands import Record
from sceplab_agent.durable import AS_IT_IS, set_aside
from sceplab_agent.errors import SnapshotDamagedError
from sceplab_agent.journal import Detail, JournalEntry, StoredSnapshot, encode_json
from sceplab_agent.journal_file import (
    FILE_NAME,
    connect,
    create,
    is_absent,
    newest,
    open_checked,
    reported,
    sync_log,
)
from sceplab_agent.journal_mark import JournalMark, MarkError, mark_path, read_mark
from sceplab_agent.journal_seal import seal, unseal

__all__ = ["FILE_NAME", "SET_ASIDE", "UNREADABLE", "SqliteJournal"]

SET_ASIDE = "journal.set-aside"
"""Entry of a trustpoint whose snapshot was set aside: it begins anew."""
UNREADABLE = "journal.unreadable"
"""Stands for an entry that is damaged."""


class SqliteJournal:
    """`Journal` in a file. Made by `create_or_open`, or by `open_read_only` for a look.

    Args:
        connection: of a database that was checked.
        path: of the database.
        mark: ``None``: for a look only.
        remark: what was set aside while opening, for people; empty: nothing.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        mark: JournalMark | None = None,
        remark: str = "",
    ) -> None:
        self._connection = connection
        self._path = path
        self._mark = mark
        self.remark = remark
        self._lock = threading.Lock()

    @classmethod
    def create_or_open(cls, path: Path) -> SqliteJournal:
        """Opens the journal for writing; an absent file is made, mode 0600.

        The directory has to exist.

        Raises:
            JournalError: damaged, locked, of another program, or of a newer version.
        """
        with reported(path):
            if is_absent(path):
                create(path)
            open_checked(path).close()
            remark = _set_mark_aside(path)
            connection = connect(path, "rw")
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                last = newest(connection)
                sync_log(path)  # before it is noted, and before anything is built on it
                mark = JournalMark(mark_path(path), last, owner=_owner(path))
            except BaseException:
                connection.close()
                raise
        return cls(connection, path, mark=mark, remark=remark)

    @classmethod
    def open_read_only(cls, path: Path) -> SqliteJournal | None:
        """Opens the journal for a look; ``None`` when there is none and was none. Makes none.

        It can be looked at on a read-only disk, too, if its last writer closed it.

        Raises:
            JournalError: as `create_or_open`.
        """
        with reported(path):
            if is_absent(path):
                return None
            return cls(open_checked(path), path)

    def commit(self, trustpoint: str, at: datetime, record: Record) -> JournalEntry:
        """See `Journal.commit`."""
        details, body = encode_json(record.details), encode_json(record.snapshot)
        moment = at.isoformat()
        with self._lock, reported(self._path), self._transaction():
            cursor = self._connection.execute(
                "INSERT INTO entry (at, trustpoint, event_id, details) VALUES (?, ?, ?, ?)",
                (moment, trustpoint, record.event_id, details),
            )
            seq = int(cursor.lastrowid or 0)
            self._connection.execute(
                "INSERT INTO snapshot (trustpoint, at, seq, body) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (trustpoint) DO UPDATE "
                "SET at = excluded.at, seq = excluded.seq, body = excluded.body",
                (trustpoint, moment, seq, seal(trustpoint, moment, seq, body)),
            )
        self._note(seq)
        return JournalEntry(
            seq=seq,
            at=at,
            trustpoint=trustpoint,
            event_id=record.event_id,
            details=json.loads(details),
        )

    def snapshot(self, trustpoint: str) -> StoredSnapshot | None:
        """See `Journal.snapshot`."""
        origin = f"the journal {self._path}"
        rows = self._select(
            "SELECT at, seq, body FROM snapshot WHERE trustpoint = ?", (trustpoint,)
        )
        if not rows:
            last = "SELECT event_id FROM entry WHERE trustpoint = ? ORDER BY seq DESC LIMIT 1"
            if self._select(last, (trustpoint,)) not in ([], [(SET_ASIDE,)]):
                raise SnapshotDamagedError(trustpoint, origin, "it is gone")
            return None
        ((at, seq, text),) = rows
        try:
            body = unseal(trustpoint, at, seq, text)
            return StoredSnapshot(at=datetime.fromisoformat(at), body=body, origin=origin)
        except (ValueError, RecursionError) as error:
            raise SnapshotDamagedError(trustpoint, origin, str(error)) from error

    def entries(
        self, trustpoint: str | None = None, *, after: int = 0, limit: int = 1000
    ) -> list[JournalEntry]:
        """See `Journal.entries`. One that is damaged is told as `UNREADABLE`."""
        rows = self._select(
            "SELECT seq, at, trustpoint, event_id, details FROM entry "
            "WHERE seq > ? AND (? IS NULL OR trustpoint = ?) ORDER BY seq LIMIT ?",
            (after, trustpoint, trustpoint, limit),
        )
        entries: list[JournalEntry] = []
        for row in rows:
            before = entries[-1].at if entries else datetime.fromtimestamp(0, UTC)
            entries.append(_read_entry(row) or _unreadable(row, before))
        return entries

    def drop_snapshot(self, trustpoint: str, at: datetime, aside: Path) -> JournalEntry:
        """Forgets a snapshot that was set aside; both or neither, as `commit`.

        Args:
            trustpoint: its name.
            at: now, UTC.
            aside: where its bytes are kept.

        Raises:
            JournalError: nothing was changed.
        """
        details: dict[str, Detail] = {"file": str(aside)}
        with self._lock, reported(self._path), self._transaction():
            cursor = self._connection.execute(
                "INSERT INTO entry (at, trustpoint, event_id, details) VALUES (?, ?, ?, ?)",
                (at.isoformat(), trustpoint, SET_ASIDE, encode_json(details)),
            )
            self._connection.execute("DELETE FROM snapshot WHERE trustpoint = ?", (trustpoint,))
        seq = int(cursor.lastrowid or 0)
        self._note(seq)
        return JournalEntry(
            seq=seq, at=at, trustpoint=trustpoint, event_id=SET_ASIDE, details=details
        )

    def raw_snapshot(self, trustpoint: str) -> bytes:
        """A snapshot as it is stored, whatever it is; empty: there is none."""
        rows = self._select(
            "SELECT CAST(body AS BLOB) FROM snapshot WHERE trustpoint = ?", (trustpoint,)
        )
        return bytes(rows[0][0]) if rows else b""

    def trustpoints(self) -> list[str]:
        """See `Journal.trustpoints`."""
        return [name for (name,) in self._select("SELECT trustpoint FROM snapshot ORDER BY 1", ())]

    def versions(self) -> Mapping[str, int]:
        """See `Journal.versions`."""
        return dict(self._select("SELECT trustpoint, seq FROM snapshot ORDER BY 1", ()))

    def close(self) -> None:
        """See `Journal.close`."""
        with self._lock:
            self._connection.close()
            if self._mark is not None:
                self._mark.close()

    def _note(self, seq: int) -> None:
        if self._mark is not None:
            self._mark.set(seq)

    def _select(self, query: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock, reported(self._path):
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


def _owner(path: Path) -> tuple[int, int]:
    """Whose the files beside the journal are to be: root gives them away, as SQLite does."""
    status = path.stat()
    return (status.st_uid, status.st_gid) if os.geteuid() == 0 else AS_IT_IS


def _set_mark_aside(path: Path) -> str:
    """Sets an unreadable mark aside; says so."""
    mark = mark_path(path)
    try:
        read_mark(mark)
    except MarkError as error:
        return f"{mark}: {error}; set aside as {set_aside(mark).name}, the journal itself is whole"
    return ""


def _read_entry(row: tuple[Any, ...]) -> JournalEntry | None:
    seq, at, trustpoint, event_id, details = row
    try:
        moment, found = datetime.fromisoformat(at), json.loads(details)
    except (ValueError, RecursionError):
        return None
    if moment.tzinfo is None or not isinstance(found, dict):
        return None
    return JournalEntry(seq=seq, at=moment, trustpoint=trustpoint, event_id=event_id, details=found)


def _unreadable(row: tuple[Any, ...], before: datetime) -> JournalEntry:
    return JournalEntry(
        seq=row[0], at=before, trustpoint=str(row[2]), event_id=UNREADABLE, details={}
    )
