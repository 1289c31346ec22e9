"""Serves PKIOperation: opens a message, has it decided, writes the CertRep.

Every message that says whose answer it wants is answered by a CertRep; only what is no CMS message,
or (as NDES does) what is enveloped for somebody else, is left to an HTTP status.

Spec: RFC 8894 §4.3; checklist S-11, S-40 to S-42, T-12, T-13, T-34, T-47; NDES 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sceplab_ndes.armour import remove_armour
from sceplab_ndes.enrollment import EnrollmentDesk, Outcome
from sceplab_ndes.errors import NdesError, RefusedError
from sceplab_ndes.events import EventSink, ServerEvent
from sceplab_ndes.hierarchy import Hierarchy
from sceplab_ndes.incoming import Sender, read_incoming
from sceplab_ndes.refusals import refusals
from sceplab_ndes.replies import Conversation, ReplyWriter
from sceplab_ndes.serials import serial_hex
from sceplab_ndes.settings import ServerProfile
from sceplab_scep.algorithms import Floor
from sceplab_scep.attributes import MessageType
from sceplab_scep.envelope import OpenedEnvelope, list_recipients, open_envelope
from sceplab_scep.errors import (
    DecryptionError,
    RemoteProtocolError,
    ScepError,
    SignatureInvalidError,
    UnsupportedAlgorithmError,
)
from sceplab_scep.messages import CertPoll
from sceplab_scep.pkimessage import (
    SignedMessage,
    read_pki_message,
    read_reply_address,
    read_request,
)

_SPELLINGS = {
    "PKCSReq": MessageType.PKCS_REQ,
    "RenewalReq": MessageType.RENEWAL_REQ,
    "CertPoll": MessageType.CERT_POLL,
}


class MessageRefusedError(NdesError):
    """No CertRep can answer this; the caller chooses an HTTP status.

    Args:
        message: what is wrong.
        is_for_others: it is enveloped for a key that is not ours.
    """

    def __init__(self, message: str, *, is_for_others: bool = False) -> None:
        super().__init__(message)
        self.is_for_others = is_for_others


@dataclass(slots=True)
class _Case:
    """One message on its way through the desk."""

    conversation: Conversation
    facts: dict[str, Any]
    """What the event at its end will say."""


class MessageDesk:
    """Answers pkiMessages. Safe to use from several threads.

    Args:
        hierarchy: whose key opens envelopes.
        enrollment: decides.
        writer: writes CertReps.
        profile: which messages are served, and how oddities are answered.
        floor: algorithms below it are refused.
        events: told what happened.
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        enrollment: EnrollmentDesk,
        writer: ReplyWriter,
        profile: ServerProfile,
        floor: Floor,
        *,
        events: EventSink,
    ) -> None:
        own = hierarchy.ra_encryption
        self._recipients = [(own.certificate, own.key)]
        self._enrollment = enrollment
        self._writer = writer
        self._rules = profile.transactions
        self._served = frozenset(_SPELLINGS[name] for name in self._rules.message_types)
        self._answers_strangers = profile.http.wrong_recipient == "cert-rep"
        self._floor = floor
        self._events = events

    def answer(self, body: bytes, now: datetime, *, peer: str = "") -> bytes:
        """The CertRep to a message.

        Args:
            body: the message: DER or BER, plain, in base64 or as PEM.
            now: current time, aware UTC.
            peer: address of the client, for events.

        Raises:
            MessageRefusedError: no CertRep can answer it.
        """
        data = remove_armour(body)
        facts: dict[str, Any] = {"at": now, "peer": peer, "message": data}
        try:
            signed = read_pki_message(data, floor=self._floor)
        except ScepError as error:
            case = _Case(_salvage(data, error), facts)
            return self._refuse(case, _cause_of(error), str(error))
        facts["message_type"] = signed.message_type
        facts["deviations"] = signed.deviations
        case = _Case(_conversation(signed), facts)
        try:
            return self._accept(case, self._serve(case, signed, data, now))
        except RefusedError as refusal:
            return self._refuse(case, refusal.cause, refusal.detail)

    # --- deciding ---------------------------------------------------------------------------------

    def _serve(self, case: _Case, signed: SignedMessage, data: bytes, now: datetime) -> Outcome:
        if signed.message_type not in self._served:
            raise RefusedError("request-unsupported", signed.message_type.name)
        if not signed.sender_nonce or len(signed.transaction_id) > self._rules.max_id_length:
            raise RefusedError("transaction-invalid")
        self._check_time(signed.signing_time, now)
        opened = self._open(signed.content)
        case.facts["opened"] = opened
        case.conversation.cipher = opened.cipher
        case.conversation.key_transport = opened.key_transport
        try:
            request = read_request(signed, opened.plaintext)
        except RemoteProtocolError as error:
            raise RefusedError("request-malformed", str(error)) from error
        sender = Sender(signed.signer_certificate)
        if isinstance(request, CertPoll):
            return self._enrollment.poll(request.transaction_id, sender, now)
        incoming = read_incoming(
            message_type=request.message_type,
            transaction_id=request.transaction_id,
            message=data,
            sender=sender,
            csr_der=request.csr_der,
        )
        case.facts["subject"] = incoming.subject_text
        return self._enrollment.enroll(incoming, now)

    def _check_time(self, signing_time: datetime | None, now: datetime) -> None:
        """Spec: RFC 8894 §3.2.1.4 (badTime)."""
        limit = timedelta(minutes=self._rules.max_skew_minutes)
        if limit and signing_time is not None and abs(now - signing_time) > limit:
            raise RefusedError("bad-time", f"signingTime {signing_time:%Y-%m-%d %H:%M:%S} UTC")

    def _open(self, content: bytes | None) -> OpenedEnvelope:
        if not content:
            raise RefusedError("message-malformed", "there is no envelope in it")
        try:
            return open_envelope(content, recipients=self._recipients, floor=self._floor)
        except DecryptionError as error:
            named = list_recipients(content)
            own = self._recipients[0][0]
            if any(serial == own.serial_number for _, serial in named):
                raise RefusedError("envelope-damaged") from error
            detail = _name_recipients(named)
            if not self._answers_strangers:
                raise MessageRefusedError(
                    f"the request is enveloped for another key: {detail}", is_for_others=True
                ) from error
            raise RefusedError("wrong-recipient", detail) from error
        except UnsupportedAlgorithmError as error:
            raise RefusedError("algorithm-refused", str(error)) from error
        except RemoteProtocolError as error:
            raise RefusedError("message-malformed", str(error)) from error

    # --- answering --------------------------------------------------------------------------------

    def _accept(self, case: _Case, outcome: Outcome) -> bytes:
        certificate = outcome.certificate
        if certificate is None:
            reply = self._writer.pending(case.conversation)
        else:
            reply = self._writer.success(case.conversation, certificate)
            case.facts["serial"] = serial_hex(certificate.serial_number)
        self._tell(case, f"request.{outcome.kind}", reply, request_id=outcome.request_id)
        return reply

    def _refuse(self, case: _Case, cause: str, detail: str) -> bytes:
        failure = self._writer.failure(case.conversation, refusals()[cause], detail)
        self._tell(
            case,
            "request.refused",
            failure.reply,
            cause=cause,
            detail=detail,
            fail_info=failure.fail_info,
            hresult=failure.hresult,
        )
        return failure.reply

    def _tell(self, case: _Case, kind: str, reply: bytes, **more: Any) -> None:
        self._events(
            ServerEvent(
                kind=kind,
                operation="PKIOperation",
                transaction_id=case.conversation.transaction_id,
                reply=reply,
                **case.facts,
                **more,
            )
        )


def _conversation(signed: SignedMessage) -> Conversation:
    return Conversation(
        transaction_id=signed.transaction_id,
        sender_nonce=signed.sender_nonce or b"",
        sender_certificate=signed.signer_certificate,
        digest=signed.digest,
    )


def _salvage(data: bytes, error: ScepError) -> Conversation:
    """What an answer needs from a message that did not pass.

    Raises:
        MessageRefusedError: even that cannot be read.
    """
    try:
        address = read_reply_address(data)
    except RemoteProtocolError:
        raise MessageRefusedError(f"this is no pkiMessage: {error}") from error
    return Conversation(
        transaction_id=address.transaction_id,
        sender_nonce=address.sender_nonce,
        sender_certificate=None,
        digest=address.digest,
    )


def _cause_of(error: ScepError) -> str:
    if isinstance(error, UnsupportedAlgorithmError):
        return "algorithm-refused"
    if isinstance(error, SignatureInvalidError):
        return "signature-invalid"
    is_type = isinstance(error, RemoteProtocolError) and error.attribute == "messageType"
    return "request-unsupported" if is_type else "message-malformed"


def _name_recipients(named: list[tuple[bytes | None, int | bytes]]) -> str:
    serials = [value.hex() if isinstance(value, bytes) else serial_hex(value) for _, value in named]
    return "recipients " + ", ".join(serials[:4]) if serials else "it names no recipient"
