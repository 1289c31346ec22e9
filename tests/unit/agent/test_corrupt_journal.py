"""A spoilt journal: found and told, or harmless. Never taken for an older or an empty one."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sceplab_agent.errors import JournalDamagedError, SnapshotDamagedError
from sceplab_agent.journal_file import FILE_NAME
from sceplab_agent.journal_sqlite import UNREADABLE, SqliteJournal
from tests.support import damage
from tests.support.damage import DAMAGES, as_after_a_kill, flip
from tests.support.spoilt_journal import (
    ENTRIES,
    FILES,
    fill,
    leave_killed,
    require_truth_or_error,
    told,
)

FLIPS = 60
"""Places in each file; the property test looks at any."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed agent leaves."""
    return leave_killed(
        tmp_path_factory.mktemp("journal"), tmp_path_factory.mktemp("killed") / "state"
    )


@pytest.fixture
def folder(killed: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return as_after_a_kill(killed, tmp_path / "state")


@pytest.fixture(scope="module")
def truth(killed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the journal says when it is whole."""
    found = told(as_after_a_kill(killed, tmp_path_factory.mktemp("truth") / "state"))
    assert [body["n"] for body in found.values()] == [ENTRIES // 2 - 2, ENTRIES // 2 - 1]
    return found


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("spoil", DAMAGES, ids=lambda spoil: spoil.__name__)
def test_spoilt_file_is_told_or_harmless(
    folder: Path, truth: dict[str, Any], suffix: str, spoil: Callable[[Path], None]
) -> None:
    """Nothing that was committed is missed without a word, whatever file is spoilt."""
    path = folder / (FILE_NAME + suffix)
    spoil(path)
    require_truth_or_error(folder, truth, path)


@pytest.mark.parametrize("suffix", ["", "-wal", "-mark"])
@pytest.mark.parametrize("spoil", DAMAGES, ids=lambda spoil: spoil.__name__)
def test_spoilt_file_is_found(folder: Path, suffix: str, spoil: Callable[[Path], None]) -> None:
    """Database and log are refused; a mark is set aside and the journal goes on."""
    path = folder / (FILE_NAME + suffix)
    content = path.read_bytes()
    spoil(path)
    spoilt = path.read_bytes() if path.is_file() else None
    if suffix == "-mark":
        journal = SqliteJournal.create_or_open(folder / FILE_NAME)
        assert bool(journal.remark) is path.with_name(f"{path.name}.damaged-1").exists()
        assert bool(journal.remark) is (spoil is not damage.remove)
        journal.close()
        assert path.read_bytes() == content
        return
    with pytest.raises(JournalDamagedError):
        SqliteJournal.create_or_open(folder / FILE_NAME)
    with pytest.raises(JournalDamagedError):
        SqliteJournal.open_read_only(folder / FILE_NAME)
    # SQLite makes an empty log where there is none.
    assert (path.read_bytes() if path.is_file() else b"") == (spoilt or b"")


@pytest.mark.parametrize("suffix", FILES)
def test_flipped_bits_are_told_or_harmless(
    killed: Path, tmp_path: Path, truth: dict[str, Any], suffix: str
) -> None:
    """One bit in many places of each file."""
    bits = (killed / (FILE_NAME + suffix)).stat().st_size * 8
    for number in range(FLIPS):
        folder = as_after_a_kill(killed, tmp_path / "state")
        path = folder / (FILE_NAME + suffix)
        flip(path, number * bits // FLIPS + number % 8)
        require_truth_or_error(folder, truth, path)
        shutil.rmtree(folder)


def test_bit_in_a_snapshot_concerns_its_trustpoint_alone(folder: Path) -> None:
    """A changed letter that is good JSON and good base64 breaks the seal; the other is read."""
    told(folder)  # folds the log in
    path = folder / FILE_NAME
    spoilt = path.read_bytes().replace(b'"n":4,"blob":"Zm9v', b'"n":4,"blob":"Zm9w')
    path.write_bytes(spoilt)
    journal = SqliteJournal.create_or_open(path)
    with pytest.raises(SnapshotDamagedError, match="lab cannot be used: its seal is broken"):
        journal.snapshot("lab")
    assert journal.snapshot("vpn") is not None
    journal.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM snapshot WHERE trustpoint = 'lab'",
        "UPDATE snapshot SET trustpoint = 'lac' WHERE trustpoint = 'lab'",
        "UPDATE snapshot SET at = '2027-01-01T00:00:00+00:00' WHERE trustpoint = 'lab'",
        "UPDATE snapshot SET at = 'yesterday' WHERE trustpoint = 'lab'",
        "UPDATE snapshot SET seq = 1 WHERE trustpoint = 'lab'",
        "UPDATE snapshot SET body = '' WHERE trustpoint = 'lab'",
        "UPDATE snapshot SET body = '[]' WHERE trustpoint = 'lab'",
        "UPDATE snapshot SET body = '{}' WHERE trustpoint = 'lab'",
        """UPDATE snapshot SET body = '{"version": ' WHERE trustpoint = 'lab'""",
        "UPDATE snapshot SET body = CAST(x'7b22ff22' AS TEXT) WHERE trustpoint = 'lab'",
        """UPDATE snapshot SET body = replace(body, 'PENDING', 'FAILED')
           WHERE trustpoint = 'lab'""",
        """UPDATE snapshot SET body = (SELECT body FROM snapshot WHERE trustpoint = 'vpn')
           WHERE trustpoint = 'lab'""",
    ],
)
def test_changed_row_is_found(folder: Path, statement: str) -> None:
    """A good database with a bad row: its trustpoint is named, the other one is read."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute(statement)
        connection.commit()
    journal = SqliteJournal.create_or_open(folder / FILE_NAME)
    with pytest.raises(SnapshotDamagedError, match=r"trustpoint lab .* set-aside lab"):
        journal.snapshot("lab")
    other = journal.snapshot("vpn")
    assert other is not None
    assert other.body["n"] == ENTRIES // 2 - 1
    journal.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [("at", "soon"), ("at", "2026-01-01T00:00:00"), ("details", "{"), ("details", "3")],
)
def test_damaged_entry_hides_no_other(folder: Path, column: str, value: str) -> None:
    """History goes on behind an entry that cannot be read."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute(f"UPDATE entry SET {column} = ? WHERE seq = 3", (value,))
        connection.commit()
    journal = SqliteJournal.open_read_only(folder / FILE_NAME)
    assert journal is not None
    entries = journal.entries()
    journal.close()
    assert [entry.seq for entry in entries] == list(range(1, ENTRIES + 1))
    assert [entry.seq for entry in entries if entry.event_id == UNREADABLE] == [3]
    assert entries[2].at == entries[1].at


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("PRAGMA application_id = 7", "application id"),
        ("PRAGMA user_version = 0", "schema has version 0"),
        ("PRAGMA user_version = 9", "newer version"),
        ("DROP INDEX entry_of_trustpoint", "schema was changed"),
        ("ALTER TABLE snapshot RENAME COLUMN body TO bodz", "schema was changed"),
        ("DROP TABLE snapshot", "schema was changed"),
    ],
)
def test_changed_schema_is_found(folder: Path, statement: str, detail: str) -> None:
    """What SQLite itself would take is held against what was made."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute(statement)
    with pytest.raises(JournalDamagedError, match=detail):
        SqliteJournal.create_or_open(folder / FILE_NAME)


def test_index_that_lost_a_row_is_found(folder: Path) -> None:
    """Through such an index a trustpoint would look as if it had never been there."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema "
            "WHERE name = 'entry_of_trustpoint') WHERE name = 'sqlite_autoindex_snapshot_1'"
        )
        connection.commit()
    with pytest.raises(JournalDamagedError):
        SqliteJournal.create_or_open(folder / FILE_NAME)


def test_older_copy_is_found(folder: Path, tmp_path: Path) -> None:
    """A copy of yesterday put back under today's mark is not taken for the truth."""
    older = tmp_path / "older"
    older.mkdir()
    fill(older, entries=4).close()
    for suffix in ("-wal", "-shm"):
        (folder / (FILE_NAME + suffix)).unlink()
    shutil.copy(older / FILE_NAME, folder / FILE_NAME)
    with pytest.raises(JournalDamagedError, match="ends with entry 4, and entry 12 was written"):
        SqliteJournal.create_or_open(folder / FILE_NAME)


def test_mark_that_lags_is_brought_up(folder: Path, truth: dict[str, Any]) -> None:
    """A power cut may take the newest marks: they were not synced."""
    mark = folder / f"{FILE_NAME}-mark"
    whole = mark.read_bytes()
    older = folder.parent / "older"
    older.mkdir()
    fill(older, entries=4).close()
    shutil.copy(older / f"{FILE_NAME}-mark", mark)
    assert told(folder) == truth
    assert mark.read_bytes() == whole


def test_log_of_a_killed_process_is_synced_before_the_mark(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after the restart takes no entry that the mark, or the agent, counts on."""
    log, mark = (folder / (FILE_NAME + suffix) for suffix in ("-wal", "-mark"))
    mark.unlink()
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        synced.append((name, mark.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    assert log.stat().st_size
    SqliteJournal.create_or_open(folder / FILE_NAME).close()
    assert (log.name, False) in synced


def test_look_while_the_journal_is_made_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log and its mark may be there when the look has just found no journal."""
    path = tmp_path / FILE_NAME
    exists = Path.exists
    made: list[SqliteJournal] = []

    def make_behind(asked: Path) -> bool:
        found = exists(asked)
        if asked == path and not made:
            monkeypatch.undo()
            made.append(fill(tmp_path))
        return found

    monkeypatch.setattr(Path, "exists", make_behind)
    assert SqliteJournal.open_read_only(path) is None
    look = SqliteJournal.open_read_only(path)
    assert look is not None
    look.close()
    made[0].close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_mark_that_root_makes_belongs_to_the_journals_user(folder: Path) -> None:
    """A command of root leaves nothing that the service's own user cannot open."""
    (folder / f"{FILE_NAME}-mark").unlink()
    os.chown(folder / FILE_NAME, 65534, 65534)
    SqliteJournal.create_or_open(folder / FILE_NAME).close()
    status = (folder / f"{FILE_NAME}-mark").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65534)


def test_journal_of_a_program_without_seal_and_mark_is_read(folder: Path) -> None:
    """It gets its mark when it is opened, and its seals with the next commits."""
    (folder / f"{FILE_NAME}-mark").unlink()
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute("""UPDATE snapshot SET body = '{' || substr(body, 78)""")
        connection.commit()
        (text,) = connection.execute("SELECT body FROM snapshot LIMIT 1").fetchone()
    assert text.startswith('{"version":')
    assert [body["state"] for body in told(folder).values()] == ["PENDING", "PENDING"]
    assert (folder / f"{FILE_NAME}-mark").exists()
