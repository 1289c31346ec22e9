"""Sets what is damaged in the state directory aside, on request. Every byte is kept.

::

    STATE_DIR/
      journal.damaged-1/             the journal with the files beside it, under their names
      NAME.snapshot.damaged-1        what the journal knew of one trustpoint
      journal.sqlite3-mark.damaged-1
"""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sceplab_agent.durable import (
    damaged_name,
    make_directory,
    replace_file,
    set_aside,
    sync_directory,
)
from sceplab_agent.errors import (
    JournalDamagedError,
    JournalError,
    JournalOlderError,
    SnapshotDamagedError,
)
from sceplab_agent.handoff.delivery import read_open_run
from sceplab_agent.journal import Journal
from sceplab_agent.journal_file import COMPANIONS, FILE_NAME, reported
from sceplab_agent.journal_mark import mark_path
from sceplab_agent.journal_sqlite import SqliteJournal
from sceplab_agent.status import read_status
from sceplab_agent.stored_model import read_stored
from sceplab_agent.trustpoint import TrustpointConfig

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """One thing that was set aside."""

    trustpoint: str
    """Empty: the journal of all."""
    reason: str
    path: str
    """Where its bytes are now; empty: there were none."""

    def to_json(self) -> dict[str, str]:
        """JSON-ready form."""
        return asdict(self)


def set_damage_aside(
    state_dir: Path,
    configs: Sequence[TrustpointConfig],
    *,
    removed: Container[str] = (),
    accept_older: bool,
    now: datetime,
) -> list[SetAside]:
    """Sets aside the journal where it is damaged, else what it knows of damaged trustpoints.

    Args:
        state_dir: locked.
        configs: trustpoints to look at.
        removed: names that only the journal knows any more, to be looked at, too.
        accept_older: go on with a journal that is older than it was.
        now: current time, UTC.

    Returns:
        What was set aside; nothing where nothing is damaged.

    Raises:
        JournalError: the journal cannot be used for another reason; nothing was changed.
    """
    path = state_dir / FILE_NAME
    try:
        journal = SqliteJournal.open_read_only(path)
    except JournalOlderError as error:
        if accept_older:
            with reported(path):
                aside = set_aside(mark_path(path))
            return [SetAside(trustpoint="", reason=str(error), path=str(aside))]
        return [_set_journal_aside(path, error)]
    except JournalDamagedError as error:
        if accept_older:
            raise JournalError(f"--accept-older is of no use, nothing was done: {error}") from error
        return [_set_journal_aside(path, error)]
    if journal is None:
        return []
    try:
        damaged = {one.name: reason for one in configs if (reason := _damage(one, journal))}
        for name in journal.trustpoints():
            if name in removed and (reason := _damage_of_removed(name, journal)):
                damaged[name] = reason
    finally:
        journal.close()
    return _set_snapshots_aside(path, damaged, now) if damaged else []


def _set_journal_aside(path: Path, error: JournalDamagedError) -> SetAside:
    with reported(path):
        directory = damaged_name(path.with_name(path.stem))
        make_directory(directory, mode=_DIRECTORY_MODE)
        parts = [path, *(path.with_name(path.name + suffix) for suffix in COMPANIONS)]
        # Last: as long as the mark is there, no new journal is made.
        for part in (*parts, mark_path(path)):
            if os.path.lexists(part):
                part.rename(directory / part.name)
        sync_directory(directory)
        sync_directory(path.parent)
    return SetAside(trustpoint="", reason=str(error), path=str(directory))


def _set_snapshots_aside(path: Path, damaged: dict[str, str], now: datetime) -> list[SetAside]:
    journal = SqliteJournal.create_or_open(path)
    done = []
    try:
        for name, reason in damaged.items():
            content = journal.raw_snapshot(name)
            aside = damaged_name(path.with_name(f"{name}.snapshot"))
            with reported(path):
                replace_file(aside, content, mode=_FILE_MODE)
            journal.drop_snapshot(name, now, aside)
            done.append(SetAside(trustpoint=name, reason=reason, path=str(aside)))
    finally:
        journal.close()
    return done


def _damage(config: TrustpointConfig, journal: Journal) -> str:
    """Why the journal's word of a trustpoint cannot be used; empty: it can."""
    (status,) = read_status([config], journal, state_dir=None)
    if status.is_unreadable:
        return status.failure
    try:
        read_open_run(config.name, journal.snapshot(config.name))
    except SnapshotDamagedError as error:
        return str(error)
    return ""


def _damage_of_removed(name: str, journal: Journal) -> str:
    """As `_damage`. Its keys may be in a store that others use: damaged, none is deleted."""
    try:
        stored = journal.snapshot(name)
        if stored is not None:
            read_stored(name, stored)
    except SnapshotDamagedError as error:
        return str(error)
    return ""
