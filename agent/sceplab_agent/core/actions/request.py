"""Actions from the wish for a certificate to the message on the wire and its polls."""

from __future__ import annotations

from datetime import datetime, timedelta

from sceplab_agent.core.actions.failure import describe_failure, need_operator
from sceplab_agent.core.commands import BuildRequest, FetchCa, GenerateKey, SendRequest
from sceplab_agent.core.events import (
    EnrollRequested,
    FailureCause,
    KeyReady,
    ReplyRejected,
    RequestBuilt,
)
from sceplab_agent.core.keys import choose_key, drop_shadow, drop_waiting
from sceplab_agent.core.model import Awaited, Enrollment, Goal, Transaction
from sceplab_agent.core.schedule import next_poll_at, retry_at
from sceplab_agent.core.states import State
from sceplab_agent.core.turn import Turn
from sceplab_agent.core.values import SentMessage, TrustedCa
from sceplab_scep.attributes import MessageType


def begin_enrollment(turn: Turn) -> None:
    """Starts over with a first enrollment (or a replacement on the strength of a challenge)."""
    closed = _begin(turn, Goal.ENROLL)
    _fetch(turn, "enrollment.requested", closed_transaction_id=closed)


def begin_reenrollment(turn: Turn) -> None:
    """Enrolls anew because the certificate has ended. What failed before is counted on."""
    rounds = turn.model.rounds
    closed = _begin(turn, Goal.ENROLL)
    turn.model.rounds = rounds
    turn.model.has_challenge = turn.policy.uses_challenge  # what the configuration holds
    _fetch(turn, "enrollment.again", closed_transaction_id=closed)


def begin_without_challenge(turn: Turn) -> None:
    """Wants a first enrollment and waits for its challenge password."""
    closed = _begin(turn, Goal.ENROLL)
    _ask_for_challenge(turn, closed)


def begin_renewal(turn: Turn) -> None:
    """Starts the renewal of the active certificate."""
    closed = _begin(turn, Goal.RENEW)
    _fetch(turn, "renewal.due", closed_transaction_id=closed)


def take_challenge(turn: Turn) -> None:
    """Goes on now that a challenge password is at hand."""
    turn.model.has_challenge = True
    _fetch(turn, "challenge.provided")


def start_anew(turn: Turn) -> None:
    """Closes the lost transaction; a new one with the same key follows, once.

    Spec: RFC 8894 §5.2; checklist 12.
    """
    closed = _close_lost(turn)
    _fetch(turn, "recovery.anew", closed_transaction_id=closed)


def start_anew_without_challenge(turn: Turn) -> None:
    """Closes the lost transaction; the new one waits for a new challenge password."""
    closed = _close_lost(turn)
    _ask_for_challenge(turn, closed)


def prepare_key(turn: Turn) -> None:
    """Names the key, records the name, has the key made or found."""
    model = turn.model
    model.new_key = choose_key(model, turn.policy)
    model.wait_for(Awaited.KEY)
    turn.record("enrollment.key", key_id=model.new_key.key_id, generation=model.new_key.generation)
    is_active = model.active is not None and model.active.key_id == model.new_key.key_id
    turn.give(GenerateKey(key_id=model.new_key.key_id, must_exist=is_active))


def open_transaction(turn: Turn) -> None:
    """Chooses message type, signer and transactionID.

    RenewalReq needs a CA that lists it; ``renewal.implicit`` signs a PKCSReq with the old
    certificate instead; else a renewal is a PKCSReq of the first form, which always works.

    Spec: RFC 8894 §2.3 (C-07), §3.2.1.1 (C-15); checklist 13.
    """
    model, policy = turn.model, turn.policy
    event, key, ca = turn.event, model.new_key, model.ca_at_work
    assert isinstance(event, KeyReady)
    assert key is not None
    assert ca is not None
    model.new_key = key.with_public_key(event.public_key_der)
    model.attempts = 0
    active = model.active if model.goal in (Goal.RENEW, Goal.ROLLOVER) else None
    is_signed_by_old = active is not None and (
        policy.renewal.implicit or ca.capabilities.supports_renewal
    )
    is_renewal_req = is_signed_by_old and not policy.renewal.implicit
    signer = active if is_signed_by_old else None
    model.transaction = Transaction(
        transaction_id=turn.new_transaction_id(),
        message_type=MessageType.RENEWAL_REQ if is_renewal_req else MessageType.PKCS_REQ,
        signer_key_id=signer.key_id if signer else key.key_id,
        signer_certificate_der=signer.certificate_der if signer else None,
        subject_certificate_der=active.certificate_der if active else None,
        include_challenge=policy.renewal.send_challenge if signer else policy.uses_challenge,
        deadline_at=_deadline_at(turn),
    )
    build_request(turn)


def build_request(turn: Turn) -> None:
    """Has the request of the open transaction built and signed."""
    transaction = turn.model.transaction
    assert transaction is not None
    _build(turn, transaction, transaction.message_type)


def build_poll(turn: Turn) -> None:
    """Has the next CertPoll built: same transactionID, signer and recipient as the request.

    Spec: RFC 8894 §3.3.3, §4.4; checklist 11.
    """
    transaction = turn.model.transaction
    assert transaction is not None
    _build(turn, transaction, MessageType.CERT_POLL)


def ask_outcome(turn: Turn) -> None:
    """Has a CertPoll built for a request that was never answered.

    Spec: RFC 8894 §5.2; checklist 12.
    """
    transaction = turn.model.transaction
    assert transaction is not None
    transaction.is_asking = True
    if isinstance(turn.event, ReplyRejected):
        turn.model.failure = describe_failure(turn)
    turn.model.wait_for(Awaited.MESSAGE)
    turn.record("recovery.asking", transaction_id=transaction.transaction_id)
    build_poll(turn)


def send_message(turn: Turn) -> None:
    """Records the message byte for byte, then sends it (C-45)."""
    model, event, transaction = turn.model, turn.event, turn.model.transaction
    assert isinstance(event, RequestBuilt)
    assert transaction is not None
    is_poll = model.state is State.PENDING or transaction.is_asking
    message_type = MessageType.CERT_POLL if is_poll else transaction.message_type
    transaction.sent = SentMessage.of(message_type, event.message_der, event.sender_nonce)
    if transaction.signer_certificate_der is None:
        transaction.signer_certificate_der = event.signer_certificate_der
    if model.state is State.PENDING:
        transaction.polls += 1
    elif transaction.include_challenge and not is_poll:
        model.has_challenge = False
    _send(turn, "enrollment.poll" if is_poll else "enrollment.request")


def retransmit(turn: Turn) -> None:
    """Sends the unanswered request again: same transactionID, same nonce, same bytes."""
    _send(turn, "enrollment.retransmission")


def schedule_poll(turn: Turn) -> None:
    """Waits for the next poll; the first PENDING starts the time limit."""
    model, transaction, policy = turn.model, turn.model.transaction, turn.policy.poll
    assert transaction is not None
    transaction.is_asking = False
    transaction.unanswered = 0
    if transaction.deadline_at is None:
        transaction.deadline_at = _pending_until(turn)
    limit = transaction.deadline_at if turn.is_clock_set else None
    model.awaited = Awaited.NOTHING
    model.attempts = 0
    model.failure = None
    model.wake_at = next_poll_at(policy, transaction.polls, turn.now, limit, turn.rng)
    turn.record(
        "enrollment.pending",
        transaction_id=transaction.transaction_id,
        polls=transaction.polls,
        next_poll_at=model.wake_at.isoformat(),
        deadline_at=transaction.deadline_at.isoformat(),
    )


def _begin(turn: Turn, goal: Goal) -> str | None:
    """Starts from nothing; gives the transactionID that is abandoned for it."""
    model = turn.model
    closed = model.transaction.transaction_id if model.transaction is not None else None
    model.transaction = None
    drop_waiting(model)
    if goal is Goal.ENROLL:
        drop_shadow(model)  # it bears the names of the certificate that is replaced
        model.schedule(turn.policy)
    model.goal = goal
    model.failure = None
    model.attempts = 0
    model.rounds = 0
    model.is_recovered = False
    model.has_challenge = isinstance(turn.event, EnrollRequested) and turn.event.has_challenge
    return closed


def _fetch(turn: Turn, event_id: str, **details: str | None) -> None:
    turn.model.wait_for(Awaited.CA)
    turn.record(event_id, **details)
    turn.give(FetchCa())


def _ask_for_challenge(turn: Turn, closed: str | None) -> None:
    model = turn.model
    model.wait_for(Awaited.NOTHING)
    if model.active is not None:
        # The renewal timer goes on, but leaves the operator a moment.
        model.wake_at = retry_at(turn.policy.retry.backoff, 1, turn.now, turn.rng)
    turn.record("challenge.needed", closed_transaction_id=closed)
    before = f"; before that, {model.failure.reason}" if model.failure else ""
    reason = f"the request needs a new challenge password{before}"
    need_operator(turn, FailureCause.REJECTED, reason)


def _pending_until(turn: Turn) -> datetime:
    """The end of a pending transaction: no renewal waits for a CA that is about to be left."""
    model, window = turn.model, timedelta(seconds=turn.policy.poll.max_wait_s)
    latest = turn.now + window
    is_leaving = model.goal is Goal.RENEW and model.is_next_ca_accepted(turn.policy)
    if is_leaving and model.switch_at is not None and turn.now < model.switch_at:
        return min(latest, model.switch_at)
    return latest


def _deadline_at(turn: Turn) -> datetime | None:
    """The end of a transaction that gives way to a renewal; others have none yet."""
    if turn.model.goal is not Goal.ROLLOVER or turn.model.renewal_at is None:
        return None
    window = timedelta(seconds=turn.policy.poll.max_wait_s)
    return min(turn.now + window, turn.model.renewal_at)


def _close_lost(turn: Turn) -> str:
    """Closes the lost transaction; gives its id."""
    model = turn.model
    assert model.transaction is not None
    closed = model.transaction.transaction_id
    if model.failure is None and isinstance(turn.event, ReplyRejected):
        model.failure = describe_failure(turn)
    model.transaction = None
    model.is_recovered = True
    return closed


def _build(turn: Turn, transaction: Transaction, message_type: MessageType) -> None:
    model, ca = turn.model, turn.model.ca_at_work
    assert ca is not None
    assert model.new_key is not None
    model.wait_for(Awaited.MESSAGE)
    is_poll = message_type is MessageType.CERT_POLL
    turn.give(
        BuildRequest(
            message_type=message_type,
            transaction_id=transaction.transaction_id,
            key_id=model.new_key.key_id,
            signer_key_id=transaction.signer_key_id,
            signer_certificate_der=transaction.signer_certificate_der,
            subject_certificate_der=transaction.subject_certificate_der,
            include_challenge=transaction.include_challenge and not is_poll,
            recipient_der=ca.recipient_der,
            issuer_der=ca.issuer_der,
            capabilities=ca.capabilities,
        )
    )


def _send(turn: Turn, event_id: str) -> None:
    model, ca, transaction = turn.model, turn.model.ca_at_work, turn.model.transaction
    assert ca is not None
    assert transaction is not None
    sent, certificate_der = transaction.sent, transaction.signer_certificate_der
    assert sent is not None
    assert certificate_der is not None
    model.wait_for(Awaited.REPLY)
    turn.record(
        event_id,
        transaction_id=transaction.transaction_id,
        message_type=sent.message_type.name,
        digest_sha256=sent.digest_hex,
        attempt=transaction.unanswered + 1,
        polls=transaction.polls,
    )
    turn.give(
        SendRequest(
            message_type=sent.message_type,
            message_der=sent.message_der,
            transaction_id=transaction.transaction_id,
            sender_nonce=sent.sender_nonce,
            signer_key_id=transaction.signer_key_id,
            signer_certificate_der=certificate_der,
            trusted_signers_der=_trusted_signers(model, ca),
            use_post=ca.capabilities.supports_post,
        )
    )


def _trusted_signers(model: Enrollment, ca: TrustedCa) -> tuple[bytes, ...]:
    """Who may sign the reply; that the next CA does not answer yet, the current one says."""
    if model.goal is not Goal.ROLLOVER or model.ca is None:
        return ca.signers_der
    return (*ca.signers_der, *model.ca.signers_der)


ACTIONS = (
    begin_enrollment,
    begin_reenrollment,
    begin_without_challenge,
    begin_renewal,
    take_challenge,
    start_anew,
    start_anew_without_challenge,
    prepare_key,
    open_transaction,
    build_request,
    build_poll,
    ask_outcome,
    send_message,
    retransmit,
    schedule_poll,
)
