"""The journal's SQLite file: making it, opening it, and telling damage from everything else.

It is looked at by a connection that cannot write before one that can: SQLite would otherwise fold
a ``-wal`` file into a damaged database, or delete it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sceplab_agent.durable import MAKE_ROOM, NO_ROOM, is_read_only, sync_directory, sync_file
from sceplab_agent.errors import (
    JournalDamagedError,
    JournalError,
    JournalFullError,
    JournalOlderError,
)
from sceplab_agent.journal_mark import MarkError, mark_path, read_mark
from sceplab_agent.text import clean_text

FILE_NAME = "journal.sqlite3"
SCHEMA_VERSION = 1
COMPANIONS = ("-wal", "-shm")
"""What SQLite adds to the name for the files beside it."""
OPEN_FILES = 4
"""File descriptors that an open journal takes: its own, those two, the mark's."""
_APPLICATION_ID = 0x53434550
_BUSY_TIMEOUT_S = 5.0
_FILE_MODE = 0o600
_PRIMARY_CODE = 0xFF
"""SQLite's extended result codes carry the primary one in their lowest byte."""
_DISK_FAILED = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_NEXT_STEP = (
    "restore it from a copy, or have it set aside: sceplab-agent set-aside, then audit and enroll"
)

_PARTS = {
    "entry": """\
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    trustpoint TEXT NOT NULL,
    event_id TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT""",
    "entry_of_trustpoint": "CREATE INDEX entry_of_trustpoint ON entry (trustpoint, seq)",
    "snapshot": """\
CREATE TABLE snapshot (
    trustpoint TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES entry (seq),
    body TEXT NOT NULL
) STRICT""",
}
_SCHEMA = f"""
BEGIN IMMEDIATE;
{"; ".join(_PARTS.values())};
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


def open_checked(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, to a journal that is whole.

    It works on a read-only disk, too, if the journal's last writer closed it.

    Raises:
        JournalError: damaged, locked, of another program, or of a newer version.
    """
    if path.is_dir() or not path.stat().st_size:
        raise damaged(path, "it is a directory" if path.is_dir() else "it is empty")
    noted = _noted(path)  # before the journal is read: its writer sets the mark last
    connection = connect(path, "ro&immutable=1" if _is_at_rest(path) else "ro")
    try:
        _check(connection, path)
        found = newest(connection)
        if found < noted:
            raise JournalOlderError(
                f"the journal {path} is older than it was: it ends with entry {found}, and entry "
                f"{noted} was written; restore a newer copy, go on with this one if it is a copy "
                "that you put there: sceplab-agent set-aside --accept-older, or begin anew: "
                "sceplab-agent set-aside; then audit"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def newest(connection: sqlite3.Connection) -> int:
    """Number of the newest entry; 0: there is none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0])


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection in a mode of SQLite's URIs; what is no UTF-8 is read all the same."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    return connection


def create(path: Path) -> None:
    """Makes an empty journal under another name, then moves it into place.

    So a file under the right name is always whole, and an empty one is damage. To be called only
    where `is_absent` says so.
    """
    temporary = path.with_name(f"{path.name}.new")
    for suffix in ("", "-journal", *COMPANIONS):
        temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    os.close(descriptor)
    connection = connect(temporary, "rw")
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
        # Here: a power cut in it leaves what only a connection that can write puts right.
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    temporary.rename(path)
    sync_directory(path.parent)


def remove_journal(path: Path) -> None:
    """Removes a closed journal for good.

    Cut off in the middle it leaves a journal or none, never a mark alone, which would say that one
    was lost.

    Raises:
        OSError: it is still there.
    """
    parts = [mark_path(path), *(path.with_name(path.name + suffix) for suffix in COMPANIONS), path]
    for part in parts:
        part.unlink(missing_ok=True)
    sync_directory(path.parent)


def is_absent(path: Path) -> bool:
    """Whether there is no journal and never was one.

    Raises:
        JournalDamagedError: there was one, and it is gone.
    """
    # Looked for first: who makes a journal beside this look makes them after it.
    has_log, noted = path.with_name(f"{path.name}-wal").exists(), _noted(path)
    if path.exists():
        return False
    if has_log:
        raise damaged(path, "its -wal file is there and the journal itself is not")
    if noted:
        raise damaged(path, f"it is gone; it had {noted} entries")
    return True


def sync_log(path: Path) -> None:
    """Makes durable what an open journal's ``-wal`` file holds.

    SQLite reads what a killed process has written there and does not ask whether it is on the disk.

    Raises:
        OSError: it cannot be told.
    """
    with contextlib.suppress(FileNotFoundError):
        sync_file(path.with_name(f"{path.name}-wal"))


def damaged(path: Path, detail: str) -> JournalDamagedError:
    """The error of a damaged journal."""
    return JournalDamagedError(
        f"the journal {path} is damaged ({clean_text(detail)}); {_NEXT_STEP}"
    )


@contextlib.contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turns what SQLite and the system say into our error, with the next step."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _told(path, error) from error
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        # The last one: SQLite quotes a damaged schema in its own message.
        raise damaged(path, str(error)) from error
    except OSError as error:
        text = f"the journal {path} cannot be opened: {error.strerror}"
        if error.filename not in {None, path, str(path)}:
            text = f"{error.filename}, a part of the journal, cannot be used: {error.strerror}"
        if error.errno in NO_ROOM:
            raise JournalFullError(f"{text}; {MAKE_ROOM}") from error
        raise JournalError(
            f"{text}; give this user access to it, or choose another state_dir"
        ) from error


def _told(path: Path, error: sqlite3.OperationalError) -> JournalError:
    code = error.sqlite_errorcode
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return JournalError(f"the journal {path} is locked by another process; end that process")
    if code & _PRIMARY_CODE == sqlite3.SQLITE_ERROR:
        return damaged(path, str(error))  # our statements are right, so the schema is not
    for companion in (path.with_name(path.name + suffix) for suffix in COMPANIONS):
        if companion.exists() and not companion.is_file():
            return damaged(path, f"{companion.name} is no file")
    if code & _PRIMARY_CODE in _DISK_FAILED or is_read_only(path):
        return JournalFullError(f"the journal {path} cannot be written: {error}; {MAKE_ROOM}")
    return JournalError(
        f"the journal {path} cannot be used: {error}; give this user access to it and to its "
        "directory"
    )


def _noted(path: Path) -> int:
    try:
        return read_mark(mark_path(path)) or 0
    except MarkError:
        return 0  # it says nothing; who writes sets it aside


def _is_at_rest(path: Path) -> bool:
    """Whether nothing of the journal can change: SQLite then needs no files beside it."""
    if not is_read_only(path):
        return False
    log, index = (path.with_name(path.name + suffix) for suffix in COMPANIONS)
    # A look leaves an empty one; without the other SQLite cannot use it there.
    return not log.exists() or not (log.stat().st_size or index.exists())


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raises when the database is not a journal this version can use."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    parts = dict(connection.execute("SELECT name, sql FROM sqlite_schema").fetchall())
    if application_id != _APPLICATION_ID and not _PARTS.keys() & parts.keys():
        raise JournalError(
            f"{path} is a database of another program, not the agent's journal; choose another "
            "state_dir, or move the file away"
        )
    if application_id != _APPLICATION_ID:
        raise damaged(path, "its application id is wrong")
    if version > SCHEMA_VERSION:
        raise JournalDamagedError(
            f"{path} was written by a newer version (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); use that version again, or if there is none, {_NEXT_STEP}"
        )
    if version != SCHEMA_VERSION:
        raise damaged(path, f"its schema has version {version}")
    if any(parts.get(name) != sql for name, sql in _PARTS.items()):
        raise damaged(path, "its schema was changed")
    # Not quick_check, which leaves out whether an index finds every row.
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        raise damaged(path, str(verdict))
