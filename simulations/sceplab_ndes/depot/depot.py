"""The depot as a whole: its tables, its salt, its event log."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from sceplab_ndes.depot.certificates import CertificateTable
from sceplab_ndes.depot.database import Database, to_text
from sceplab_ndes.depot.passwords import PasswordTable
from sceplab_ndes.depot.requests import RequestTable
from sceplab_ndes.depot.rollovers import RolloverTable

_SALT_BYTES = 16


class Depot:
    """What the server remembers, on disk or in memory. Safe to share between threads.

    Args:
        path: SQLite file; ``None`` keeps everything in memory.
        random_bytes: source of the salt of a new depot.
    """

    def __init__(self, path: Path | None, *, random_bytes: Callable[[int], bytes]) -> None:
        self._database = Database(path)
        self.requests = RequestTable(self._database)
        self.certificates = CertificateTable(self._database)
        self.passwords = PasswordTable(self._database)
        self.rollovers = RolloverTable(self._database)
        with self.transaction():
            salt = self.read("password_salt")
            if salt is None:
                salt = random_bytes(_SALT_BYTES)
                self.write("password_salt", salt)
        self.password_salt: bytes = salt

    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside are one commit, made when the block ends."""
        return self._database.transaction()

    def read(self, key: str) -> bytes | None:
        """A value of the depot itself, such as ``base_url``."""
        row = self._database.first("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else bytes(row[0])

    def write(self, key: str, value: bytes) -> None:
        """Keeps a value of the depot itself."""
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def log(self, kind: str, at: datetime, fields: Mapping[str, Any]) -> None:
        """Appends to the audit trail, in the transaction in hand."""
        self._database.execute(
            "INSERT INTO events (at, kind, fields) VALUES (?, ?, ?)",
            (to_text(at), kind, json.dumps(fields, separators=(",", ":"))),
        )

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The audit trail (or one kind of it), oldest first."""
        rows = self._database.rows(
            "SELECT at, kind, fields FROM events WHERE kind = ? OR ? IS NULL ORDER BY event_id",
            (kind, kind),
        )
        return [{"at": at, "kind": name, **json.loads(text)} for at, name, text in rows]

    def audit(self) -> list[dict[str, Any]]:
        """Every request with the password it came with: who fetched that, who used it for what.

        Spec: feature row B6.
        """
        names = (
            "request_id",
            "transaction_id",
            "kind",
            "state",
            "subject",
            "template",
            "serial",
            "cause",
            "received_at",
            "decided_at",
            "password_id",
            "fetched_by",
            "fetched_at",
        )
        rows = self._database.rows(
            "SELECT r.request_id, r.transaction_id, r.kind, r.state, r.subject, r.template,"
            " r.serial, r.cause, r.received_at, r.decided_at, r.password_id, p.fetched_by,"
            " p.fetched_at FROM requests r LEFT JOIN passwords p USING (password_id)"
            " ORDER BY r.request_id"
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def close(self) -> None:
        """Releases the file. Twice is harmless."""
        self._database.close()
