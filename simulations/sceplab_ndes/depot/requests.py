"""Requests that reached the CA, by transaction: pending, issued, denied, failed."""

from __future__ import annotations

import enum
import operator
import sqlite3
import threading
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sceplab_ndes.depot.database import Database, from_text, to_text


class RequestState(enum.Enum):
    """Where a request stands."""

    PENDING = "pending"
    ISSUED = "issued"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request."""

    request_id: int
    transaction_id: str
    kind: str
    """``enrollment``, ``renewal``, or ``carried``: brought by hand, without transactionID and
    signer."""
    state: RequestState
    message_digest: bytes
    """SHA-256 of the whole message: tells a retransmission from a new message."""
    csr_digest: bytes
    csr: bytes | None
    """DER, without the challenge password; ``None`` once a certificate says the same."""
    signer_certificate: bytes
    """DER; only its key may poll, and answers are encrypted to it."""
    subject: str
    template: str
    renews_serial: str | None
    password_id: int | None
    serial: str | None
    cause: str | None
    detail: str | None
    received_at: datetime
    decided_at: datetime | None
    generation: int = 0
    """Number of the CA that was asked."""


_NAMES = [field.name for field in fields(RequestRecord)]
_COLUMNS = ", ".join(_NAMES)
_PLACES = ", ".join("?" for _ in _NAMES)
_values_of = operator.attrgetter(*_NAMES)
_INSERT = f"INSERT INTO requests ({_COLUMNS}) VALUES ({_PLACES})"  # noqa: S608 - our own names
_SELECT = f"SELECT {_COLUMNS} FROM requests"  # noqa: S608 - our own names


class NumberTakenError(Exception):
    """Another process gave this number to a request of its own first; draw another."""


class RequestTable:
    """The table ``requests``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._drawn = 0

    def next_id(self) -> int:
        """A number that no request has and nobody else in this process gets.

        Another process may draw the same; `add` tells. Inside a transaction none can.
        """
        highest = self._database.row("SELECT coalesce(max(request_id), 0) FROM requests")[0]
        with self._lock:
            self._drawn = max(self._drawn, int(highest)) + 1
            return self._drawn

    def add(self, record: RequestRecord) -> None:
        """Adds a request.

        Raises:
            NumberTakenError: its number is another request's; the transaction has to be undone.
        """
        values = [_to_column(value) for value in _values_of(record)]
        try:
            self._database.execute(_INSERT, values)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
                raise
            raise NumberTakenError from error

    def newest(self, transaction_id: str) -> RequestRecord | None:
        """Newest request with this transactionID, compared byte for byte."""
        return _record(
            self._database.first(
                f"{_SELECT} WHERE transaction_id = ? AND kind != 'carried'"
                " ORDER BY request_id DESC LIMIT 1",
                (transaction_id,),
            )
        )

    def newest_id(self, transaction_id: str) -> int | None:
        """Number of the newest request with this transactionID."""
        row = self._database.row(
            "SELECT max(request_id) FROM requests WHERE transaction_id = ? AND kind != 'carried'",
            (transaction_id,),
        )
        return None if row[0] is None else int(row[0])

    def find(self, request_id: int) -> RequestRecord | None:
        """The request with this number."""
        return _record(self._database.first(f"{_SELECT} WHERE request_id = ?", (request_id,)))

    def in_state(self, state: RequestState | None = None) -> list[RequestRecord]:
        """All requests in a state (or in any), oldest first."""
        if state is None:
            rows = self._database.rows(f"{_SELECT} ORDER BY request_id")
        else:
            rows = self._database.rows(
                f"{_SELECT} WHERE state = ? ORDER BY request_id", (state.value,)
            )
        return [_from_row(row) for row in rows]

    def decide(
        self,
        request_id: int,
        state: RequestState,
        *,
        at: datetime,
        serial: str | None = None,
        cause: str | None = None,
    ) -> bool:
        """Takes a request out of PENDING.

        Returns:
            False when somebody else did so before; nothing is changed then.
        """
        changed = self._database.execute(
            "UPDATE requests SET state = ?, serial = ?, cause = ?, decided_at = ?"
            " WHERE request_id = ? AND state = 'pending'",
            (state.value, serial, cause, to_text(at), request_id),
        )
        return changed == 1


def _to_column(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_text(value)
    return value.value if isinstance(value, RequestState) else value


def _record(row: tuple[Any, ...] | None) -> RequestRecord | None:
    return None if row is None else _from_row(row)


def _from_row(row: tuple[Any, ...]) -> RequestRecord:
    values = dict(zip(_NAMES, row, strict=True))
    values["state"] = RequestState(values["state"])
    values["received_at"] = from_text(values["received_at"])
    values["decided_at"] = from_text(values["decided_at"]) if values["decided_at"] else None
    return RequestRecord(**values)
