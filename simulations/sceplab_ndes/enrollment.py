"""Decides what becomes of a request: issued, pending, refused, or answered as before.

Nothing is decided twice. A certificate is signed outside the depot's lock; who then loses the race
to keep it throws it away and answers what the winner kept.

Spec: checklist S-03, S-05, S-16, S-17, S-45 to S-47, T-06, T-24 to T-28; NDES 7 to 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509

from sceplab_ndes.authority import CertificateAuthority, CertificateOrder
from sceplab_ndes.challenge import ChallengeDesk, Ticket
from sceplab_ndes.depot import CertificateRecord, Depot, RequestRecord, RequestState
from sceplab_ndes.errors import RefusedError
from sceplab_ndes.incoming import IncomingRequest, Sender
from sceplab_ndes.ledger import Entry, Ledger, LostRaceError
from sceplab_ndes.renewal import RenewalJudge
from sceplab_ndes.settings import ServerProfile
from sceplab_scep.attributes import MessageType

_MAX_RACES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the answer will say, unless it is a refusal, which is raised."""

    kind: Literal["issued", "redelivered", "pending"]
    request_id: int
    certificate: x509.Certificate | None = None


@dataclass(frozen=True, slots=True)
class _Permit:
    """By what right a request is served."""

    ticket: Ticket
    renews: CertificateRecord | None = None


class EnrollmentDesk:
    """Serves PKCSReq, RenewalReq and CertPoll. Safe to use from several threads.

    Args:
        depot: what is remembered.
        authority: makes certificates.
        challenge: checks passwords.
        profile: the rules.
    """

    def __init__(
        self,
        depot: Depot,
        authority: CertificateAuthority,
        challenge: ChallengeDesk,
        profile: ServerProfile,
    ) -> None:
        self._depot = depot
        self._authority = authority
        self._challenge = challenge
        self._ledger = Ledger(depot, challenge)
        self._rules = profile.transactions
        self._template = profile.template
        self._renewals = RenewalJudge(
            depot.certificates, authority.hierarchy.issuing.certificate.subject, profile.renewal
        )
        self._answer_cache = timedelta(minutes=self._rules.answer_cache_minutes)
        self._pending_time = timedelta(days=self._rules.pending_days)

    def enroll(self, request: IncomingRequest, now: datetime) -> Outcome:
        """Serves a PKCSReq or RenewalReq.

        Raises:
            RefusedError: with the cause.
        """
        for _ in range(_MAX_RACES):
            try:
                return self._enroll_once(request, now)
            except LostRaceError:
                continue
        raise RefusedError("transaction-conflict", "too many requests at once")

    def poll(self, transaction_id: str, sender: Sender, now: datetime) -> Outcome:
        """Serves a CertPoll. Only the key that signed the request may ask.

        Raises:
            RefusedError: no such transaction, or its refusal.
        """
        record = self._depot.requests.newest(transaction_id)
        if (
            record is None
            or not self._is_remembered(record, now)
            or not sender.has_key_of(record.signer_certificate)
        ):
            raise RefusedError("transaction-unknown")
        return self._answer_again(record)

    # --- requests ---------------------------------------------------------------------------------

    def _enroll_once(self, request: IncomingRequest, now: datetime) -> Outcome:
        newest = self._depot.requests.newest(request.transaction_id)
        if newest is not None and self._is_remembered(newest, now):
            again = self._repeat(newest, request)
            if again is not None:
                return again
        if not request.sender.can_receive:
            raise RefusedError("undeliverable")
        permit = self._permit(request, now)
        if isinstance(permit, Outcome):
            return permit
        entry = Entry(
            request_id=self._depot.requests.next_id(),
            request=request,
            template=self._template.name,
            ticket=permit.ticket,
            renews=permit.renews,
            seen_id=None if newest is None else newest.request_id,
            now=now,
            generation=self._authority.generation,
        )
        return self._decide(entry)

    def _decide(self, entry: Entry) -> Outcome:
        """Has the CA decide on a request that may be served, and keeps what it says."""
        csr = entry.request.csr
        order = CertificateOrder(request_id=entry.request_id, csr=csr)
        rules = self._template
        approval = rules.approval if entry.renews is None else rules.renewal_approval
        try:
            if approval == "manual":
                self._authority.check(order)
                certificate = None
            else:
                certificate = self._authority.issue(order, entry.now)
        except RefusedError as refusal:
            self._ledger.keep_failed(entry, refusal)
            raise
        if certificate is None:
            self._ledger.keep_pending(entry)
            return Outcome(kind="pending", request_id=entry.request_id)
        self._ledger.keep_issued(entry, certificate)
        return Outcome(kind="issued", request_id=entry.request_id, certificate=certificate)

    # --- by what right ----------------------------------------------------------------------------

    def _permit(self, request: IncomingRequest, now: datetime) -> _Permit | Outcome:
        """A renewal or a challenge; or at once the answer to what was served already."""
        own = self._renewals.find_own(request.sender)
        is_explicit = request.message_type is MessageType.RENEWAL_REQ
        if own is None and is_explicit:
            raise RefusedError("renewal-signer", "it was not issued by this CA")
        if own is not None:
            try:
                self._renewals.check(own, request, now)
            except RefusedError:
                # In the implicit form, what is no renewal may still be an enrollment.
                if is_explicit or not request.csr.challenge:
                    raise
            else:
                return self._permit_renewal(own, request, now)
        return self._permit_enrollment(request, now)

    def _permit_renewal(
        self, own: CertificateRecord, request: IncomingRequest, now: datetime
    ) -> _Permit | Outcome:
        rules = self._renewals.settings
        if rules.same_key == "existing" and request.key_digest == own.key_digest:
            return _redeliver(own)  # T-27
        is_free = rules.challenge == "optional"
        return _Permit(Ticket(None) if is_free else self._check_challenge(request, now), own)

    def _permit_enrollment(self, request: IncomingRequest, now: datetime) -> _Permit | Outcome:
        if self._rules.known_key == "refuse":
            held = self._good_certificate(request, now)
            if held is not None:
                raise RefusedError("duplicate", f"certificate {held.serial}")
        try:
            return _Permit(self._check_challenge(request, now))
        except RefusedError as refusal:
            if refusal.cause == "challenge-used":
                lost = self._lost_success(request, now)
                if lost is not None:
                    return _redeliver(lost)
                # checklist S-23: a second use may mean that somebody overheard the password
                with self._depot.transaction():
                    fields = {"transaction_id": request.transaction_id}
                    self._depot.log("password.reused", now, fields)
            raise

    def _check_challenge(self, request: IncomingRequest, now: datetime) -> Ticket:
        csr = request.csr
        return self._challenge.check(csr.challenge or "", csr.challenge_type, now)

    # --- what was served already ------------------------------------------------------------------

    def _is_remembered(self, record: RequestRecord, now: datetime) -> bool:
        """Whether the time of a request is not over. Spec: NDES 6, 9."""
        if record.decided_at is None:
            return now <= record.received_at + self._pending_time
        return now <= record.decided_at + self._answer_cache

    def _repeat(self, known: RequestRecord, request: IncomingRequest) -> Outcome | None:
        """The answer to a request we have seen, or ``None`` to look at it afresh."""
        if known.generation != self._authority.generation:
            return None  # RFC 8894 §5.1: another CA is asked now
        if known.state is RequestState.FAILED:
            # A retransmission; a new message deserves a new look, something may be mended.
            is_resent = known.message_digest == request.message_digest
            return self._answer_again(known) if is_resent else None
        if known.csr_digest == request.csr_digest and request.sender.has_key_of(
            known.signer_certificate
        ):
            return self._answer_again(known)
        if known.state is RequestState.DENIED or self._rules.other_csr == "replace":
            return None
        raise RefusedError("transaction-conflict")

    def _answer_again(self, record: RequestRecord) -> Outcome:
        if record.state is RequestState.PENDING:
            return Outcome(kind="pending", request_id=record.request_id)
        if record.state is RequestState.DENIED:
            raise RefusedError("denied")
        if record.state is RequestState.FAILED:
            assert record.cause is not None
            raise RefusedError(record.cause, record.detail or "")
        assert record.serial is not None
        issued = self._depot.certificates.find(record.serial)
        assert issued is not None
        return _redeliver(issued)

    def _good_certificate(
        self, request: IncomingRequest, now: datetime
    ) -> CertificateRecord | None:
        """The newest certificate of the key in the request, if it is good."""
        record = self._depot.certificates.newest_of_key(request.key_digest)
        if record is None or record.revoked_at is not None or record.not_after <= now:
            return None
        return record

    def _lost_success(self, request: IncomingRequest, now: datetime) -> CertificateRecord | None:
        """What was issued lately and is asked for again in a new transaction: it never arrived.

        Same key, same subject, and the very password that paid for the certificate.
        """
        record = self._good_certificate(request, now)
        if self._rules.known_key != "redeliver" or record is None:
            return None
        paid = self._depot.requests.find(record.request_id)
        is_same = (
            now - record.issued_at <= self._answer_cache
            and paid is not None
            and paid.subject == request.subject_text
            and request.sender.has_key_of(record.certificate)
            and self._challenge.was_used_by(request.csr.challenge or "", paid.transaction_id)
        )
        return record if is_same else None


def _redeliver(record: CertificateRecord) -> Outcome:
    certificate = x509.load_der_x509_certificate(record.certificate)
    return Outcome(kind="redelivered", request_id=record.request_id, certificate=certificate)
