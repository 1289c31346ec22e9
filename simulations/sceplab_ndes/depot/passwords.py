"""One-time passwords as digests: who fetched which, when it ends, which request used it up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sceplab_ndes.depot.database import Database, from_text, to_text


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRecord:
    """One one-time password; never its text."""

    password_id: int
    fetched_by: str
    fetched_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_by: str | None
    """transactionID of the request that used it."""


_SELECT = "SELECT password_id, fetched_by, fetched_at, expires_at, used_at, used_by FROM passwords"


class PasswordTable:
    """The table ``passwords``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, digest: bytes, *, fetched_by: str, at: datetime, expires_at: datetime) -> int:
        """Keeps a new password; its number."""
        return self._database.insert(
            "INSERT INTO passwords (digest, fetched_by, fetched_at, expires_at)"
            " VALUES (?, ?, ?, ?)",
            (digest, fetched_by, to_text(at), to_text(expires_at)),
        )

    def find(self, digest: bytes) -> PasswordRecord | None:
        """The password with this digest, used or not."""
        row = self._database.first(f"{_SELECT} WHERE digest = ?", (digest,))
        if row is None:
            return None
        number, fetched_by, fetched_at, expires_at, used_at, used_by = row
        return PasswordRecord(
            password_id=number,
            fetched_by=fetched_by,
            fetched_at=from_text(fetched_at),
            expires_at=from_text(expires_at),
            used_at=from_text(used_at) if used_at else None,
            used_by=used_by,
        )

    def use(self, password_id: int, *, transaction_id: str, at: datetime) -> bool:
        """Uses a password up; False when another request was first."""
        changed = self._database.execute(
            "UPDATE passwords SET used_at = ?, used_by = ?"
            " WHERE password_id = ? AND used_at IS NULL",
            (to_text(at), transaction_id, password_id),
        )
        return changed == 1

    def count_unused(self, at: datetime) -> int:
        """How many passwords are in circulation."""
        row = self._database.row(
            "SELECT count(*) FROM passwords WHERE used_at IS NULL AND expires_at > ?",
            (to_text(at),),
        )
        return int(row[0])

    def forget_unused(self) -> int:
        """Drops the passwords in circulation, as a restart of NDES does; how many."""
        return self._database.execute("DELETE FROM passwords WHERE used_at IS NULL")
