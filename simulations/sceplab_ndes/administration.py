"""What an administrator does at the CA: approve, deny, revoke, look.

Works on the depot alone, so a command may do it while a server runs on the same state.

Spec: NDES 9, 10; feature rows A10, C19, M4, M6.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from cryptography import x509

from sceplab_ndes.authority import CertificateOrder
from sceplab_ndes.depot import CertificateRecord, Depot, RequestRecord, RequestState
from sceplab_ndes.errors import (
    AlreadyDecidedError,
    AmbiguousSerialError,
    CertificateNotFoundError,
    ConfigError,
    RequestNotFoundError,
)
from sceplab_ndes.generations import Generations
from sceplab_ndes.ledger import certificate_record
from sceplab_ndes.validation import closest
from sceplab_scep.csr import read_csr

REASONS = tuple(
    reason.value for reason in x509.ReasonFlags if reason is not x509.ReasonFlags.remove_from_crl
)
"""Reasons of revocation, in the spelling of RFC 5280."""

_MIN_DIGITS = 4
_MAX_NAMED = 5


class Administration:
    """Acts on requests and certificates.

    Args:
        depot: what is remembered.
        generations: make certificates and revocation lists.
    """

    def __init__(self, depot: Depot, generations: Generations) -> None:
        self._depot = depot
        self._generations = generations

    def requests(self) -> list[RequestRecord]:
        """All requests, oldest first."""
        return self._depot.requests.in_state()

    def pending(self) -> list[RequestRecord]:
        """Requests that wait for a decision, oldest first."""
        return self._depot.requests.in_state(RequestState.PENDING)

    def certificates(self) -> list[CertificateRecord]:
        """All issued certificates, oldest first."""
        return self._depot.certificates.all()

    def approve(self, request_id: int, now: datetime, *, user: str = "") -> CertificateRecord:
        """Issues the certificate of a pending request; the device gets it at its next poll.

        Raises:
            RequestNotFoundError: no such request.
            AlreadyDecidedError: it is not pending any more.
            RefusedError: the template refuses it by now.
        """
        request = _pending_request(self._depot, request_id)
        assert request.csr is not None
        csr = read_csr(request.csr)
        authority = self._generations.numbered(request.generation).authority
        certificate = authority.issue(
            CertificateOrder(request_id=request_id, csr=csr),
            now,
        )
        record = certificate_record(
            certificate,
            request_id=request_id,
            key_digest=hashlib.sha256(csr.public_key_der).digest(),
            subject=request.subject,
            now=now,
        )
        with self._depot.transaction():
            is_first = self._depot.requests.decide(
                request_id, RequestState.ISSUED, at=now, serial=record.serial
            )
            if not is_first:
                raise AlreadyDecidedError(f"request {request_id} was decided meanwhile")
            self._depot.certificates.add(record)
            fields = {"request_id": request_id, "serial": record.serial, "user": user}
            self._depot.log("request.approved", now, fields)
        return record

    def deny(self, request_id: int, now: datetime, *, user: str = "") -> None:
        """Refuses a pending request; see `deny_request`."""
        deny_request(self._depot, request_id, now, user=user)

    def revoke(
        self, serial_hex: str, now: datetime, *, reason: str = "unspecified", user: str = ""
    ) -> CertificateRecord:
        """Revokes a certificate and makes a new revocation list.

        Args:
            serial_hex: serial number, hex, any case, colons and leading zeros as people write them;
                its first digits are enough, four at least, when no other begins so.
            now: current time, aware UTC.
            reason: one of `REASONS`.
            user: who does it, for the audit trail.

        Raises:
            CertificateNotFoundError: we issued no such certificate.
            AmbiguousSerialError: several certificates begin with these digits.
            AlreadyDecidedError: it is revoked already.
            ConfigError: no such reason.
        """
        if reason not in REASONS:
            raise ConfigError(f"no reason '{reason}'; {closest(reason, REASONS)}", source="reason")
        record = self._certificate(serial_hex)
        with self._depot.transaction():
            is_first = self._depot.certificates.revoke(record.serial, reason=reason, at=now)
            if not is_first:
                raise AlreadyDecidedError(f"certificate {record.serial} is revoked already")
            fields = {"serial": record.serial, "reason": reason, "user": user}
            self._depot.log("certificate.revoked", now, fields)
        for one in self._generations.all():
            one.publication.crl(now)
        return self._certificate(record.serial)

    def _certificate(self, text: str) -> CertificateRecord:
        digits = text.replace(":", "").replace(" ", "").lower().removeprefix("0x")
        even = digits.zfill(len(digits) + len(digits) % 2)
        for candidate in (even, even.lstrip("0"), "0" + even.lstrip("0")):
            record = self._depot.certificates.find(candidate)
            if record is not None:
                return record
        return self._only_one_beginning_with(digits, text)

    def _only_one_beginning_with(self, digits: str, text: str) -> CertificateRecord:
        if len(digits) < _MIN_DIGITS:
            raise CertificateNotFoundError(text)
        # Kept with two digits a byte: the number may be written without its leading zero.
        found = [
            record
            for beginning in (digits, "0" + digits)
            for record in self._depot.certificates.beginning_with(beginning, limit=_MAX_NAMED)
        ]
        if not found:
            raise CertificateNotFoundError(text)
        if len(found) > 1:
            raise AmbiguousSerialError(text, [record.serial for record in found[:_MAX_NAMED]])
        return found[0]


def deny_request(depot: Depot, request_id: int, now: datetime, *, user: str = "") -> None:
    """Refuses a pending request; the device is told at its next poll. Needs no key.

    Args:
        depot: where the request is.
        request_id: its number.
        now: current time, aware UTC.
        user: who does it, for the audit trail.

    Raises:
        RequestNotFoundError: no such request.
        AlreadyDecidedError: it is not pending any more.
    """
    _pending_request(depot, request_id)
    with depot.transaction():
        if not depot.requests.decide(request_id, RequestState.DENIED, at=now, cause="denied"):
            raise AlreadyDecidedError(f"request {request_id} was decided meanwhile")
        depot.log("request.denied", now, {"request_id": request_id, "user": user})


def _pending_request(depot: Depot, request_id: int) -> RequestRecord:
    request = depot.requests.find(request_id)
    if request is None:
        raise RequestNotFoundError(request_id)
    if request.state is not RequestState.PENDING:
        raise AlreadyDecidedError(f"request {request_id} is {request.state.value} already")
    return request
