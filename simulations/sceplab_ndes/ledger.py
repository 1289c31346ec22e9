"""Keeps what was decided about requests: one commit each, and no transaction answered twice.

That commit also uses the challenge password up and checks that nobody else answered the same
transaction meanwhile.

Spec: checklist S-45, S-46; feature rows A14, B4, B6.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from sceplab_ndes.challenge import ChallengeDesk, Ticket
from sceplab_ndes.depot import (
    CertificateRecord,
    Depot,
    NumberTakenError,
    RequestRecord,
    RequestState,
)
from sceplab_ndes.errors import RefusedError
from sceplab_ndes.incoming import IncomingRequest
from sceplab_ndes.redaction import without_challenge
from sceplab_ndes.serials import serial_hex
from sceplab_scep.x509fields import certificate_der


class LostRaceError(Exception):
    """Somebody else answered this transaction or took this number first; look at it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A request that may be served, about to be decided."""

    request_id: int
    request: IncomingRequest
    template: str
    ticket: Ticket
    """The challenge it came with."""
    renews: CertificateRecord | None
    """The certificate it renews."""
    seen_id: int | None
    """Newest request of the same transactionID when this one was looked at."""
    now: datetime
    generation: int = 0
    """Number of the CA that was asked."""


class Ledger:
    """Writes requests and certificates into the depot.

    Args:
        depot: what is remembered.
        challenge: uses passwords up.
    """

    def __init__(self, depot: Depot, challenge: ChallengeDesk) -> None:
        self._depot = depot
        self._challenge = challenge

    def keep_issued(self, entry: Entry, certificate: x509.Certificate) -> None:
        """Keeps a certificate with its request.

        Raises:
            LostRaceError: the transaction was answered meanwhile; nothing is kept.
            RefusedError: the password was used meanwhile; nothing is kept.
        """
        serial = serial_hex(certificate.serial_number)
        record = certificate_record(
            certificate,
            request_id=entry.request_id,
            key_digest=entry.request.key_digest,
            subject=entry.request.subject_text,
            now=entry.now,
        )
        with self._depot.transaction():
            self._claim(entry)
            self._add(_record(entry, RequestState.ISSUED, serial=serial))
            self._depot.certificates.add(record)

    def keep_pending(self, entry: Entry) -> None:
        """Keeps a request that waits for approval.

        Raises:
            LostRaceError: the transaction was answered meanwhile; nothing is kept.
            RefusedError: the password was used meanwhile; nothing is kept.
        """
        with self._depot.transaction():
            self._claim(entry)
            self._add(_record(entry, RequestState.PENDING))

    def keep_failed(self, entry: Entry, refusal: RefusedError) -> None:
        """Keeps a request that the CA refused.

        The password is gone all the same unless the settings say otherwise (NDES 7, O9).

        Raises:
            LostRaceError: its number was given away meanwhile; nothing is kept.
        """
        record = _record(entry, RequestState.FAILED, refusal=refusal)
        with self._depot.transaction():
            if self._challenge.settings.consume == "on_check":
                self._challenge.use(entry.ticket, record.transaction_id, entry.now)
            self._add(record)

    def _add(self, record: RequestRecord) -> None:
        try:
            self._depot.requests.add(record)
        except NumberTakenError as error:
            raise LostRaceError from error

    def _claim(self, entry: Entry) -> None:
        """Makes sure that this is the answer of its transaction; raising undoes everything."""
        transaction_id = entry.request.transaction_id
        if self._depot.requests.newest_id(transaction_id) != entry.seen_id:
            raise LostRaceError
        self._challenge.use(entry.ticket, transaction_id, entry.now)


def certificate_record(
    certificate: x509.Certificate,
    *,
    request_id: int,
    key_digest: bytes,
    subject: str,
    now: datetime,
) -> CertificateRecord:
    """The row of a new certificate.

    Args:
        certificate: as issued.
        request_id: number of its request.
        key_digest: SHA-256 of its SubjectPublicKeyInfo.
        subject: its subject for people.
        now: when it was issued, aware UTC.
    """
    return CertificateRecord(
        serial=serial_hex(certificate.serial_number),
        request_id=request_id,
        certificate=certificate_der(certificate),
        key_digest=key_digest,
        subject=subject,
        issued_at=now,
        not_after=certificate.not_valid_after_utc,
    )


def _record(
    entry: Entry,
    state: RequestState,
    *,
    serial: str | None = None,
    refusal: RefusedError | None = None,
) -> RequestRecord:
    request = entry.request
    return RequestRecord(
        request_id=entry.request_id,
        transaction_id=request.transaction_id,
        kind="enrollment" if entry.renews is None else "renewal",
        state=state,
        message_digest=request.message_digest,
        csr_digest=request.csr_digest,
        csr=None if state is RequestState.ISSUED else without_challenge(request.csr),
        signer_certificate=request.sender.certificate_der,
        subject=request.subject_text,
        template=entry.template,
        renews_serial=None if entry.renews is None else entry.renews.serial,
        password_id=entry.ticket.password_id,
        serial=serial,
        cause=None if refusal is None else refusal.cause,
        detail=None if refusal is None else refusal.detail,
        received_at=entry.now,
        decided_at=None if state is RequestState.PENDING else entry.now,
        generation=entry.generation,
    )
