"""A journal to spoil, and the rule for what the agent may make of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sceplab_agent.core.commands import Record
from sceplab_agent.errors import JournalDamagedError, JournalError, SnapshotDamagedError
from sceplab_agent.journal_file import FILE_NAME
from sceplab_agent.journal_sqlite import SqliteJournal
from tests.support.damage import as_after_a_kill, bytes_below

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = ("lab", "vpn")
FILES = ("", "-wal", "-shm", "-mark")
"""Ends of the names of the journal's files."""
ENTRIES = 12


def fill(folder: Path, *, entries: int = ENTRIES) -> SqliteJournal:
    """An open journal with snapshots of two trustpoints."""
    journal = SqliteJournal.create_or_open(folder / FILE_NAME)
    for number in range(entries):
        snapshot = {"version": 1, "state": "PENDING", "n": number, "blob": "Zm9v" * 200}
        record = Record(event_id="test.step", details={"n": number}, snapshot=snapshot)
        journal.commit(NAMES[number % 2], T0 + timedelta(minutes=number), record)
    return journal


def leave_killed(folder: Path, to: Path) -> Path:
    """What a killed agent leaves: half of the journal is in the write-ahead log.

    Args:
        folder: empty; worked in.
        to: made.
    """
    fill(folder, entries=ENTRIES // 2).close()
    journal = fill(folder, entries=ENTRIES // 2)
    left = as_after_a_kill(folder, to)
    journal.close()
    return left


def told(folder: Path) -> dict[str, Any]:
    """Every snapshot of the journal; it is opened as the service does."""
    journal = SqliteJournal.create_or_open(folder / FILE_NAME)
    try:
        stored = {name: journal.snapshot(name) for name in NAMES}
        return {name: one and one.body for name, one in stored.items()}
    finally:
        journal.close()


def require_truth_or_error(folder: Path, truth: dict[str, Any], spoilt: Path) -> None:
    """A spoilt journal tells all that it knew, or an error with the file and the next step.

    What is called damaged keeps its bytes.
    """
    before, error = bytes_below(folder), None
    try:
        found = told(folder)
    except JournalError as caught:
        error = caught
    if error is None:
        assert found == truth
        return
    text = str(error)
    assert str(folder / FILE_NAME) in text or str(spoilt) in text
    if isinstance(error, JournalDamagedError | SnapshotDamagedError):
        assert "sceplab-agent set-aside" in text
    if isinstance(error, JournalDamagedError):
        after = bytes_below(folder)
        for name, content in before.items():
            assert name.endswith("-shm") or after[name] == content
