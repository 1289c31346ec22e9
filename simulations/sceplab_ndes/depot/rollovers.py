"""Which CA follows which, and when. CA 0 is the first; every rollover adds one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sceplab_ndes.depot.database import Database, from_text, to_text


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloverRecord:
    """One planned or past change of the CA."""

    generation: int
    """Number of the CA that begins, 1 for the first successor."""
    prepared_at: datetime
    switch_at: datetime
    """From then on it is the current one, UTC."""


class RolloverTable:
    """The table ``rollovers``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[RolloverRecord]:
        """All rollovers, oldest first."""
        rows = self._database.rows(
            "SELECT generation, prepared_at, switch_at FROM rollovers ORDER BY generation"
        )
        return [
            RolloverRecord(
                generation=number, prepared_at=from_text(prepared), switch_at=from_text(switch)
            )
            for number, prepared, switch in rows
        ]

    def add(self, record: RolloverRecord) -> None:
        """Keeps a rollover."""
        self._database.execute(
            "INSERT INTO rollovers VALUES (?, ?, ?)",
            (record.generation, to_text(record.prepared_at), to_text(record.switch_at)),
        )

    def current(self, now: datetime) -> int:
        """Number of the CA that issues at this moment."""
        return max((r.generation for r in self.all() if r.switch_at <= now), default=0)
