"""Issued certificates, revocations, revocation lists and the CA's own certificates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sceplab_ndes.depot.database import Database, from_text, to_text


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """One issued certificate."""

    serial: str
    """Serial number, lower-case hex, two digits a byte."""
    request_id: int
    certificate: bytes
    """DER."""
    key_digest: bytes
    """SHA-256 of the SubjectPublicKeyInfo."""
    subject: str
    issued_at: datetime
    not_after: datetime
    revoked_at: datetime | None = None
    revocation_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlRecord:
    """One revocation list."""

    number: int
    crl: bytes
    """DER."""
    next_update: datetime
    revocation_count: int
    """How many revocations the depot held when the list was made."""
    generation: int = 0
    """Number of the CA whose list it is."""


_SELECT = (
    "SELECT c.serial, c.request_id, c.certificate, c.key_digest, c.subject, c.issued_at,"
    " c.not_after, r.revoked_at, r.reason"
    " FROM certificates c LEFT JOIN revocations r ON r.serial = c.serial"
)


class CertificateTable:
    """The tables ``certificates``, ``revocations``, ``crls`` and ``authority``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: CertificateRecord) -> None:
        """Adds an issued certificate."""
        self._database.execute(
            "INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                record.serial,
                record.request_id,
                record.certificate,
                record.key_digest,
                record.subject,
                to_text(record.issued_at),
                to_text(record.not_after),
            ),
        )

    def find(self, serial: str) -> CertificateRecord | None:
        """The certificate with this serial number."""
        row = self._database.first(f"{_SELECT} WHERE c.serial = ?", (serial,))
        return None if row is None else _from_row(row)

    def beginning_with(self, digits: str, *, limit: int) -> list[CertificateRecord]:
        """Certificates whose serial number begins so, sorted by it.

        Args:
            digits: lower-case hex digits.
            limit: at most this many.
        """
        rows = self._database.rows(
            f"{_SELECT} WHERE substr(c.serial, 1, ?) = ? ORDER BY c.serial LIMIT ?",
            (len(digits), digits, limit),
        )
        return [_from_row(row) for row in rows]

    def newest_of_key(self, key_digest: bytes) -> CertificateRecord | None:
        """The certificate issued last for this public key."""
        row = self._database.first(
            f"{_SELECT} WHERE c.key_digest = ? ORDER BY c.issued_at DESC LIMIT 1", (key_digest,)
        )
        return None if row is None else _from_row(row)

    def all(self) -> list[CertificateRecord]:
        """All issued certificates, oldest first."""
        return [_from_row(row) for row in self._database.rows(f"{_SELECT} ORDER BY c.issued_at")]

    def revoke(self, serial: str, *, reason: str, at: datetime) -> bool:
        """Marks a certificate as revoked; False when it was already."""
        changed = self._database.execute(
            "INSERT OR IGNORE INTO revocations VALUES (?, ?, ?)", (serial, reason, to_text(at))
        )
        return changed == 1

    def is_revoked(self, serial: str) -> bool:
        """Whether the certificate is revoked."""
        row = self._database.first("SELECT 1 FROM revocations WHERE serial = ?", (serial,))
        return row is not None

    def revocation_count(self) -> int:
        """How many certificates are revoked."""
        return int(self._database.row("SELECT count(*) FROM revocations")[0])

    def revoked(self) -> list[CertificateRecord]:
        """Revoked certificates, oldest revocation first."""
        rows = self._database.rows(f"{_SELECT} WHERE r.serial IS NOT NULL ORDER BY r.revoked_at")
        return [_from_row(row) for row in rows]

    def newest_crl(self, generation: int = 0) -> CrlRecord | None:
        """The revocation list that a CA made last."""
        row = self._database.first(
            "SELECT number, crl, next_update, revocation_count FROM crls WHERE generation = ?"
            " ORDER BY number DESC LIMIT 1",
            (generation,),
        )
        if row is None:
            return None
        number, crl, next_update, count = row
        return CrlRecord(
            number=number,
            crl=crl,
            next_update=from_text(next_update),
            revocation_count=count,
            generation=generation,
        )

    def next_crl_number(self) -> int:
        """A number larger than that of every list, of whichever CA."""
        return int(self._database.row("SELECT coalesce(max(number), 0) + 1 FROM crls")[0])

    def add_crl(self, record: CrlRecord) -> None:
        """Keeps a revocation list."""
        self._database.execute(
            "INSERT INTO crls VALUES (?, ?, ?, ?, ?)",
            (
                record.number,
                record.crl,
                to_text(record.next_update),
                record.revocation_count,
                record.generation,
            ),
        )

    def authority(self, generation: int = 0) -> dict[str, tuple[str, bytes]]:
        """A CA's and its RA's own certificates: role to (key name, DER)."""
        rows = self._database.rows(
            "SELECT role, key_id, certificate FROM authority WHERE generation = ?", (generation,)
        )
        return {role: (key_id, certificate) for role, key_id, certificate in rows}

    def add_authority(
        self, role: str, key_id: str, certificate: bytes, *, generation: int = 0
    ) -> None:
        """Keeps a certificate of a CA or its RA."""
        self._database.execute(
            "INSERT INTO authority VALUES (?, ?, ?, ?)", (generation, role, key_id, certificate)
        )


def _from_row(row: tuple[Any, ...]) -> CertificateRecord:
    serial, request_id, der, key_digest, subject, issued_at, not_after, revoked_at, reason = row
    return CertificateRecord(
        serial=serial,
        request_id=request_id,
        certificate=der,
        key_digest=key_digest,
        subject=subject,
        issued_at=from_text(issued_at),
        not_after=from_text(not_after),
        revoked_at=from_text(revoked_at) if revoked_at else None,
        revocation_reason=reason,
    )
