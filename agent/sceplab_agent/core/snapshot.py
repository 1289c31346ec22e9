"""An enrollment as JSON-ready data and back. Bytes are base64, moments ISO 8601.

Nothing here is repaired: what cannot be read raises `SnapshotError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sceplab_agent.core.errors import SnapshotError
from sceplab_agent.core.model import Awaited, Enrollment, Goal, Resume, Shadow, Transaction
from sceplab_agent.core.next_ca import NextCa
from sceplab_agent.core.states import State
from sceplab_agent.core.values import (
    ActiveCertificate,
    Failure,
    HandOffOutcome,
    Json,
    NewKey,
    SentMessage,
    TrustedCa,
    to_blobs,
    to_bytes,
    to_text,
    to_texts,
)
from sceplab_scep.attributes import MessageType

T = TypeVar("T")

VERSION = 3
"""Version of the form with a next CA, or with a CA that came by succession."""
_HANDOFF_VERSION = 2
"""Version of the form with a certificate that waits for its consumers."""
_PLAIN_VERSION = 1
"""Version of the form without one, as programs read and write it that know no hand-off."""


_KNOWN_VERSIONS = (_PLAIN_VERSION, _HANDOFF_VERSION, VERSION)


_OPEN = (State.REQUESTING, State.PENDING, State.ISSUED_UNVERIFIED)
"""States with an open transaction."""


_HAVING = (State.INSTALLED, State.ROLLOVER, State.RENEW_DUE)
"""States with a certificate in use."""


_CLOSED = (Resume.FETCH, Resume.KEY, Resume.HAND_OVER)
"""Steps without an open transaction."""


def write_snapshot(model: Enrollment) -> Json:
    """The whole model. Shares its unchanging parts with earlier snapshots: do not change it."""
    transaction = model.transaction
    return {
        "version": _version(model),
        "state": model.state.value,
        "goal": model.goal.value,
        "awaited": model.awaited.value,
        "resume": model.resume and model.resume.value,
        "ca": model.ca and model.ca.to_json(),
        "candidate": model.candidate and model.candidate.to_json(),
        "next_ca": model.next_ca and model.next_ca.to_json(),
        "next_ca_asked_at": model.next_ca_asked_at and model.next_ca_asked_at.isoformat(),
        "shadow": model.shadow and _write_shadow(model.shadow),
        "active": model.active and model.active.to_json(),
        "successor": model.successor and model.successor.to_json(),
        "is_handoff_open": model.is_handoff_open,
        "last_handoff": model.last_handoff and model.last_handoff.to_json(),
        "new_key": model.new_key and model.new_key.to_json(),
        "transaction": transaction and _write_transaction(transaction),
        "retired_keys": list(model.retired_keys),
        "failure": model.failure and model.failure.to_json(),
        "wake_at": model.wake_at and model.wake_at.isoformat(),
        "attempts": model.attempts,
        "rounds": model.rounds,
        "has_challenge": model.has_challenge,
        "is_recovered": model.is_recovered,
        "is_expiry_noted": model.is_expiry_noted,
        "gap_from": model.gap_from and model.gap_from.isoformat(),
        "newest_at": model.newest_at.isoformat(),
        "is_clock_set": model.is_clock_set,
    }


def read_snapshot(data: Mapping[str, Any]) -> Enrollment:
    """The model that `write_snapshot` was given.

    Raises:
        SnapshotError: another version, or a field that is missing or makes no sense.
    """
    version = data.get("version")
    if version not in _KNOWN_VERSIONS:
        raise SnapshotError(f"this is a snapshot of version {version!r}, not {_PLAIN_VERSION}")
    try:
        model = _read(data)
        if version != (expected := _version(model)):
            raise SnapshotError(f"this is a snapshot of version {version!r}, not {expected}")
        _check(model)
        return model
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise SnapshotError(f"the snapshot is damaged: {type(error).__name__}: {error}") from error


def _version(model: Enrollment) -> int:
    """The oldest form that says everything, so that older programs read what they can."""
    is_succeeding = model.next_ca is not None or model.awaited is Awaited.NEXT_CA
    if is_succeeding or any(ca and ca.succession for ca in (model.ca, model.candidate)):
        return VERSION
    return _HANDOFF_VERSION if model.successor is not None else _PLAIN_VERSION


def _read(data: Mapping[str, Any]) -> Enrollment:
    return Enrollment(
        state=State(data["state"]),
        goal=Goal(data["goal"]),
        awaited=Awaited(data["awaited"]),
        resume=_optional(Resume, data["resume"]),
        ca=_optional(TrustedCa.from_json, data["ca"]),
        candidate=_optional(TrustedCa.from_json, data["candidate"]),
        active=_optional(ActiveCertificate.from_json, data["active"]),
        # Older snapshots say nothing of rollovers and hand-offs.
        next_ca=_optional(NextCa.from_json, data.get("next_ca")),
        next_ca_asked_at=_optional(datetime.fromisoformat, data.get("next_ca_asked_at")),
        shadow=_optional(_read_shadow, data.get("shadow")),
        successor=_optional(ActiveCertificate.from_json, data.get("successor")),
        is_handoff_open=bool(data.get("is_handoff_open", False)),
        last_handoff=_optional(HandOffOutcome.from_json, data.get("last_handoff")),
        new_key=_optional(NewKey.from_json, data["new_key"]),
        transaction=_optional(_read_transaction, data["transaction"]),
        retired_keys=tuple(str(key_id) for key_id in data["retired_keys"]),
        failure=_optional(Failure.from_json, data["failure"]),
        wake_at=_optional(datetime.fromisoformat, data["wake_at"]),
        attempts=int(data["attempts"]),
        rounds=int(data["rounds"]),
        has_challenge=bool(data["has_challenge"]),
        is_recovered=bool(data["is_recovered"]),
        is_expiry_noted=bool(data["is_expiry_noted"]),
        gap_from=_optional(datetime.fromisoformat, data.get("gap_from")),
        newest_at=datetime.fromisoformat(data["newest_at"]),
        is_clock_set=bool(data["is_clock_set"]),
    )


def _check(model: Enrollment) -> None:
    """Refuses a model whose state needs parts that are not there."""
    transaction = model.transaction
    state, awaited = model.state, model.awaited
    is_open = state in _OPEN or (model.resume is not None and model.resume not in _CLOSED)
    is_waiting = state is State.RETRY_WAIT or (
        state is State.PENDING and awaited is Awaited.NOTHING
    )
    is_kept = model.shadow is not None or model.goal is Goal.ROLLOVER
    is_handing = state is State.HANDING_OVER or model.resume is Resume.HAND_OVER
    needs = {
        "successor": (is_handing, model.successor),
        "transaction": (is_open, transaction),
        "ca": (is_open or state is State.CA_PINNED, model.ca),
        "new_key": (
            is_open or awaited is Awaited.KEY or model.successor is not None,
            model.new_key,
        ),
        "active": (is_kept or state in _HAVING, model.active),
        "next_ca": (is_kept or state is State.ROLLOVER, model.next_ca),
        "candidate": (awaited is Awaited.OPERATOR, model.candidate),
        "resume": (state is State.RETRY_WAIT, model.resume),
        "wake_at": (is_waiting, model.wake_at),
        "sent": (awaited is Awaited.REPLY, transaction and transaction.sent),
    }
    missing = [name for name, (is_needed, part) in needs.items() if is_needed and part is None]
    if missing:
        raise SnapshotError(f"the snapshot is damaged: {state.value} without {', '.join(missing)}")


def _write_shadow(shadow: Shadow) -> Json:
    return {
        "key": shadow.key.to_json(),
        "transaction": _write_transaction(shadow.transaction),
        "not_before": shadow.not_before.isoformat(),
        "not_after": shadow.not_after.isoformat(),
    }


def _read_shadow(data: Json) -> Shadow:
    return Shadow(
        key=NewKey.from_json(data["key"]),
        transaction=_read_transaction(data["transaction"]),
        not_before=datetime.fromisoformat(data["not_before"]),
        not_after=datetime.fromisoformat(data["not_after"]),
    )


def _write_transaction(transaction: Transaction) -> Json:
    signer = transaction.signer_certificate_der
    subject = transaction.subject_certificate_der
    return {
        "transaction_id": transaction.transaction_id,
        "message_type": int(transaction.message_type),
        "signer_key_id": transaction.signer_key_id,
        "signer_certificate": signer and to_text(signer),
        "subject_certificate": subject and to_text(subject),
        "include_challenge": transaction.include_challenge,
        "sent": transaction.sent and transaction.sent.to_json(),
        "unanswered": transaction.unanswered,
        "is_asking": transaction.is_asking,
        "polls": transaction.polls,
        "deadline_at": transaction.deadline_at and transaction.deadline_at.isoformat(),
        "reply": to_text(transaction.reply_der),
        "reply_certificates": to_texts(transaction.reply_certificates_der),
        "issued": to_text(transaction.issued_der),
        "issued_chain": to_texts(transaction.issued_chain_der),
    }


def _read_transaction(data: Json) -> Transaction:
    return Transaction(
        transaction_id=str(data["transaction_id"]),
        message_type=MessageType(data["message_type"]),
        signer_key_id=str(data["signer_key_id"]),
        signer_certificate_der=_optional(to_bytes, data["signer_certificate"]),
        subject_certificate_der=_optional(to_bytes, data["subject_certificate"]),
        include_challenge=bool(data["include_challenge"]),
        sent=_optional(SentMessage.from_json, data["sent"]),
        unanswered=int(data["unanswered"]),
        is_asking=bool(data["is_asking"]),
        polls=int(data["polls"]),
        deadline_at=_optional(datetime.fromisoformat, data["deadline_at"]),
        reply_der=to_bytes(data["reply"]),
        reply_certificates_der=to_blobs(data["reply_certificates"]),
        issued_der=to_bytes(data["issued"]),
        issued_chain_der=to_blobs(data["issued_chain"]),
    )


def _optional(read: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else read(value)
