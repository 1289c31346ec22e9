"""The journal: what happened to each trustpoint, and where it stands. Never a secret.

An entry and the machine's snapshot of the same moment are one unit: both are there or neither.
`journal_sqlite` is the durable one; `MemoryJournal` is for tests and labs.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sceplab_agent.core.commands import Record
from sceplab_agent.core.values import Part

Detail = str | int | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One thing that happened."""

    seq: int
    """Grows by at least one with every entry of the journal, over all trustpoints."""
    at: datetime
    """UTC."""
    trustpoint: str
    event_id: str
    """Dotted name of the catalogue, for example ``enrollment.pending``."""
    details: Mapping[str, Detail]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """Where a trustpoint stood when the journal last heard of it."""

    at: datetime
    body: Mapping[str, object]
    """`EnrollmentMachine.snapshot()`; requests and replies are inside, byte for byte."""
    origin: str = "the journal"
    """Where it was read, for people."""


class Journal(Protocol):
    """Where records go. Usable by several threads."""

    def commit(self, trustpoint: str, at: datetime, record: Record) -> JournalEntry:
        """Writes the entry and the snapshot, both or neither; durable when this returns.

        Args:
            trustpoint: its name.
            at: now, UTC.
            record: what the machine wants kept.

        Raises:
            JournalError: nothing was written.
        """

    def snapshot(self, trustpoint: str) -> StoredSnapshot | None:
        """The newest snapshot; ``None`` for a trustpoint the journal never heard of.

        Raises:
            SnapshotDamagedError: it cannot be used, or is gone.
            JournalError: the journal cannot be read.
        """

    def entries(
        self, trustpoint: str | None = None, *, after: int = 0, limit: int = 1000
    ) -> list[JournalEntry]:
        """Entries in the order they were written.

        Args:
            trustpoint: only those of this one.
            after: only those with a greater ``seq``.
            limit: at most this many.

        Raises:
            JournalError: the journal cannot be read.
        """

    def trustpoints(self) -> list[str]:
        """Names the journal has a snapshot of, sorted."""

    def versions(self) -> Mapping[str, int]:
        """For each of them ``seq`` of its newest snapshot, to tell whether it is another one."""

    def close(self) -> None:
        """Releases it. Twice is harmless."""


class MemoryJournal:
    """A journal that ends with its process. Keeps the JSON texts, as the durable one does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[tuple[str, datetime, str, str]] = []
        self._snapshots: dict[str, tuple[datetime, str]] = {}
        self._newest: dict[str, int] = {}

    def commit(self, trustpoint: str, at: datetime, record: Record) -> JournalEntry:
        """See `Journal.commit`."""
        details, snapshot = encode_json(record.details), encode_json(record.snapshot)
        with self._lock:
            self._entries.append((trustpoint, at, record.event_id, details))
            self._newest[trustpoint] = len(self._entries)
            self._snapshots[trustpoint] = (at, snapshot)
            return self._entry(len(self._entries))

    def snapshot(self, trustpoint: str) -> StoredSnapshot | None:
        """See `Journal.snapshot`."""
        stored = self._snapshots.get(trustpoint)
        return stored and StoredSnapshot(at=stored[0], body=json.loads(stored[1]))

    def entries(
        self, trustpoint: str | None = None, *, after: int = 0, limit: int = 1000
    ) -> list[JournalEntry]:
        """See `Journal.entries`."""
        found = (self._entry(seq) for seq in range(after + 1, len(self._entries) + 1))
        return [entry for entry in found if trustpoint in {None, entry.trustpoint}][:limit]

    def trustpoints(self) -> list[str]:
        """See `Journal.trustpoints`."""
        return sorted(self._snapshots)

    def versions(self) -> Mapping[str, int]:
        """See `Journal.versions`."""
        return {name: self._newest[name] for name in self.trustpoints()}

    def close(self) -> None:
        """Keeps everything: another machine may be restored from it."""

    def _entry(self, seq: int) -> JournalEntry:
        trustpoint, at, event_id, details = self._entries[seq - 1]
        return JournalEntry(
            seq=seq, at=at, trustpoint=trustpoint, event_id=event_id, details=json.loads(details)
        )


def encode_json(value: Mapping[str, object]) -> str:
    """Compact JSON; what is not JSON-ready raises `TypeError`.

    A `Part` is encoded once, however many snapshots share it.
    """
    plain: dict[str, object] = {}
    objects: list[str] = []
    for name, item in value.items():
        if isinstance(item, dict):
            objects.append(f"{_ENCODER.encode(name)}:{_encode_object(item)}")
        else:
            plain[name] = item
    if plain or not objects:
        objects.insert(0, _ENCODER.encode(plain)[1:-1])
    return "{" + ",".join(objects) + "}"


def _encode_object(value: dict[str, object]) -> str:
    if not isinstance(value, Part):
        return encode_json(value)
    if not value.text:
        value.text = encode_json(value)
    return value.text


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
