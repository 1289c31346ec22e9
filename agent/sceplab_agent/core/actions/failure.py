"""Actions when a step or a transaction ends without what it was for.

A *step* that fails is repeated (``attempts`` counts); a *round*, a whole transaction, only while
the active certificate still signs (``rounds`` counts). The active certificate is never touched.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sceplab_agent.core.events import (
    FailureCause,
    HandOffFailed,
    InstallFailed,
    KeyFailed,
    ReplyRejected,
    RequestFailed,
    TransportFailed,
)
from sceplab_agent.core.gain import describe_gainless
from sceplab_agent.core.model import Awaited, Goal, Resume
from sceplab_agent.core.next_steps import next_step_after, next_step_for, next_step_of
from sceplab_agent.core.policy import Recovery
from sceplab_agent.core.schedule import reenrollment_pause, retry_at
from sceplab_agent.core.states import State
from sceplab_agent.core.turn import Turn
from sceplab_agent.core.values import ActiveCertificate, Failure
from sceplab_agent.core.verdicts import CertificateUnfit

_PASSING = (
    FailureCause.TRANSPORT,
    FailureCause.PEER,
    FailureCause.KEY_STORE,
    FailureCause.STORAGE,
    FailureCause.HANDOFF,
)
"""Causes that may be gone without anybody's work."""
_PATIENCE = 0.5
"""Share of the time left to the certificate in use after which what was refused for good is tried
again."""


def need_operator(turn: Turn, cause: FailureCause, reason: str, next_step: str = "") -> None:
    """Says that nothing goes on by itself, and what to do; by default what fits the cause."""
    turn.notify(
        "operator.needed",
        state=turn.model.state.value,
        cause=cause.value,
        reason=reason,
        next_step=next_step or next_step_for(cause, is_renewal=turn.model.can_renew_at(turn.now)),
    )


def retry_fetch(turn: Turn) -> None:
    """Fetches the CA again later."""
    retry(turn, Resume.FETCH)


def retry_key(turn: Turn) -> None:
    """Asks the key store again later."""
    retry(turn, Resume.KEY)


def retry_build(turn: Turn) -> None:
    """Builds the message again later.

    What cannot be built for another reason than the key store's cannot be built later either: a
    renewal takes capabilities and certificates anew. So does one whose key is gone before anything
    was sent: it may be the new one, which is made again.
    """
    event, transaction = turn.event, turn.model.transaction
    assert isinstance(event, RequestFailed)
    assert transaction is not None
    is_key_gone = not event.is_retryable and transaction.sent is None
    if event.cause is not FailureCause.KEY_STORE or is_key_gone:
        discard_round(turn)
        return
    retry(turn, Resume.ASK if transaction.is_asking else Resume.BUILD)


def retry_poll(turn: Turn) -> None:
    """Polls again later."""
    retry(turn, Resume.POLL)


def retry_installation(turn: Turn) -> None:
    """Installs the same certificate again later."""
    retry(turn, Resume.INSTALL)


def retry_unanswered(turn: Turn) -> None:
    """Goes up the recovery ladder by one rung, later.

    A renewal whose request meets a failure that will not pass starts a new round instead: the
    server or its certificates may have changed. So does one whose last attempt of many was
    answered by a stranger: what GetCACert said may have been spoilt on its way.

    Spec: RFC 8894 §5.2; checklist 12.
    """
    event = turn.event
    assert isinstance(event, TransportFailed)
    is_stranger = event.cause is FailureCause.TRUST
    is_used_up = turn.model.attempts + 1 >= turn.policy.retry.max_attempts
    if not event.is_retryable or (is_stranger and is_used_up):
        discard_round(turn)
        return
    retry(turn, count_unanswered(turn))


def count_unanswered(turn: Turn) -> Resume:
    """Counts a request that got no answer; gives the step that finds out."""
    transaction = turn.model.transaction
    assert transaction is not None
    if transaction.is_asking:
        return Resume.ASK
    transaction.unanswered += 1
    if turn.policy.recovery is Recovery.POLL:
        return Resume.ASK
    is_kept = turn.model.goal is Goal.ROLLOVER
    if turn.policy.recovery is Recovery.NEW and not turn.model.is_recovered and not is_kept:
        return Resume.ANEW
    return Resume.RETRANSMIT


def fail(turn: Turn) -> None:
    """Gives up: the operator decides. The key stays for the next attempt."""
    end(turn, "enrollment.failed", describe_failure(turn))


def fail_unchanged(turn: Turn) -> None:
    """Gives a renewal up that the server answers with the certificate in use.

    Its key is no longer the one to renew with: a changed policy gets its new key. A key of its own,
    which a server has that gives a serial number twice, stays for the next attempt.
    """
    failure, active, key = describe_failure(turn), turn.model.active, turn.model.new_key
    if active is not None and key is not None and key.key_id == active.key_id:
        turn.model.new_key = None
    end(turn, "enrollment.failed", failure)


def fail_lost_key(turn: Turn) -> None:
    """Gives up because the key of the active certificate is gone."""
    model = turn.model
    assert model.new_key is not None
    reason = f"the key store no longer holds the key '{model.new_key.key_id}' of the certificate"
    model.new_key = None
    end(turn, "enrollment.failed", failure_now(turn, FailureCause.KEY_STORE, reason))


def reject(turn: Turn) -> None:
    """Gives up because the CA refused."""
    end(turn, "enrollment.rejected", describe_failure(turn))


def expire(turn: Turn) -> None:
    """Gives up because the CA never decided."""
    end(turn, "enrollment.expired", _exhausted(turn))


def reject_round(turn: Turn) -> None:
    """Refused: another transaction later, as long as the active certificate lives."""
    _wait_for_round(turn, "enrollment.rejected", describe_failure(turn))


def expire_round(turn: Turn) -> None:
    """No decision: another transaction later, as long as the active certificate lives."""
    _wait_for_round(turn, "enrollment.expired", _exhausted(turn))


def discard_round(turn: Turn) -> None:
    """Nothing usable came back: another transaction later, while the certificate lives."""
    _wait_for_round(turn, "enrollment.retry", describe_failure(turn))


def report_expiry(turn: Turn) -> None:
    """The active certificate ended and was not replaced."""
    model = turn.model
    assert model.active is not None
    failure = failure_now(turn, FailureCause.EXHAUSTED, _why_ended(turn))
    if model.failure is None and model.active.gainless:
        failure = replace(failure, next_step=model.gainless_step(turn.policy))
    else:
        failure = replace(failure, next_step=next_step_after(model.failure))
    model.is_expiry_noted = True
    if model.state is State.NEEDS_CHALLENGE or not turn.policy.renewal.enrolls_after_expiry:
        end(turn, "certificate.expired", failure)
    else:
        _close(turn, failure)
        model.rounds = 0  # what is counted now are enrollments
        # At once, unless the certificate had ended as it came: so would the next one.
        gap = timedelta(seconds=turn.policy.retry.backoff.ceiling_s)
        model.wake_at = max(turn.now, model.active.installed_at + gap)
        _record_failure(turn, "certificate.expired", failure)


def note_expiry(turn: Turn) -> None:
    """The active certificate ended while another one is on its way to its place."""
    model = turn.model
    cause = model.failure.cause if model.failure else FailureCause.EXHAUSTED
    model.is_expiry_noted = True
    _record_failure(turn, "certificate.expired", failure_now(turn, cause, _why_ended(turn)))


def _why_ended(turn: Turn) -> str:
    """That the active certificate ended, and what kept another from taking its place."""
    active, failure = turn.model.active, turn.model.failure
    assert active is not None
    reason = f"the certificate ended at {active.not_after.isoformat()}"
    if failure is not None:
        return f"{reason}; last failure: {failure.reason}"
    return f"{reason}; {describe_gainless(active)}" if active.gainless else reason


def describe_failure(turn: Turn) -> Failure:
    """The failure that the present event reports."""
    event = turn.event
    if isinstance(event, ReplyRejected):
        return Failure(
            cause=FailureCause.REJECTED,
            reason=f"the CA refused: {event.fail_info.wire_name}",
            at=turn.now,
            transaction_id=_transaction_id(turn),
            fail_info=event.fail_info,
            fail_info_text=event.text,
            hresult=event.hresult,
        )
    if isinstance(event, KeyFailed):
        failure = failure_now(turn, FailureCause.KEY_STORE, event.reason)
        return replace(failure, is_lasting=not event.is_retryable)
    if isinstance(event, InstallFailed):
        return failure_now(turn, FailureCause.STORAGE, event.reason)
    if isinstance(event, HandOffFailed):
        failure = failure_now(turn, FailureCause.HANDOFF, event.reason)
        return replace(failure, is_lasting=not event.may_pass)
    assert isinstance(event, (TransportFailed, RequestFailed, CertificateUnfit))
    failure = failure_now(turn, event.cause, event.reason)
    if isinstance(event, CertificateUnfit):
        return replace(failure, next_step=event.next_step, is_lasting=event.is_unchanged)
    failure = replace(failure, next_step=event.next_step)
    if event.cause is not FailureCause.KEY_STORE:
        return failure
    return replace(failure, is_lasting=not event.is_retryable)


def failure_now(turn: Turn, cause: FailureCause, reason: str) -> Failure:
    """A failure at the present moment, of the open transaction if there is one."""
    transaction_id = _transaction_id(turn)
    return Failure(cause=cause, reason=reason, at=turn.now, transaction_id=transaction_id)


def _exhausted(turn: Turn) -> Failure:
    transaction = turn.model.transaction
    assert transaction is not None
    reason = f"no decision after {transaction.polls} polls"
    failure = failure_now(turn, FailureCause.EXHAUSTED, reason)
    before = turn.model.failure
    return failure if before is None else replace(failure, next_step=next_step_of(before))


def _transaction_id(turn: Turn) -> str:
    transaction = turn.model.transaction
    return transaction.transaction_id if transaction is not None else ""


def retry(turn: Turn, resume: Resume, event_id: str = "enrollment.retry") -> None:
    """Repeats a step later, and records why."""
    model = turn.model
    model.attempts += 1
    _wait(turn, resume, model.attempts)
    failure = model.failure = describe_failure(turn)
    _record_failure(turn, event_id, failure)


def _wait_for_round(turn: Turn, event_id: str, failure: Failure) -> None:
    model = turn.model
    model.rounds += 1
    model.attempts = 0
    model.transaction = None
    model.failure = failure
    _wait(turn, Resume.FETCH, model.rounds)
    _record_failure(turn, event_id, failure)


def _wait(turn: Turn, resume: Resume, failures: int) -> None:
    model = turn.model
    model.awaited = Awaited.NOTHING
    model.resume = resume
    model.wake_at = retry_at(turn.policy.retry.backoff, failures, turn.now, turn.rng)


def end(turn: Turn, event_id: str, failure: Failure) -> None:
    """Gives an attempt up and says what the operator can do."""
    _close(turn, failure)
    _record_failure(turn, event_id, failure)
    step = next_step_of(failure, is_renewal=turn.model.can_renew_at(failure.at))
    need_operator(turn, failure.cause, failure.reason, step)


def _close(turn: Turn, failure: Failure) -> None:
    model = turn.model
    model.goal = Goal.NONE
    model.awaited = Awaited.NOTHING
    model.resume = None
    model.transaction = None
    model.attempts = 0
    model.rounds += 1
    model.failure = failure
    pause_renewal(turn)


def peace(failure: Failure | None, active: ActiveCertificate | None, now: datetime) -> timedelta:
    """How long a server or a consumer that refused for good is not asked again."""
    lasting = (FailureCause.HANDOFF, FailureCause.CONFIGURATION)
    if failure is None or failure.cause not in lasting or not failure.is_lasting:
        return timedelta()
    return (active.not_after - now) * _PATIENCE if active is not None else timedelta()


def pause_renewal(turn: Turn) -> None:
    """Keeps a renewal that is already due, or an enrollment after the end, from starting at once.

    A failure that will not pass is followed by a pause of half of the time that is left.
    """
    model, backoff = turn.model, turn.policy.retry.backoff
    if model.active is None:
        model.wake_at = None
    elif turn.is_expired:
        is_refused = model.failure is not None and model.failure.cause not in _PASSING
        pause = reenrollment_pause(backoff, model.rounds, is_refused=is_refused)
        model.wake_at = turn.now + pause
    else:
        least = timedelta(seconds=backoff.ceiling_s)
        model.wake_at = turn.now + max(least, peace(model.failure, model.active, turn.now))


def _record_failure(turn: Turn, event_id: str, failure: Failure) -> None:
    model = turn.model
    turn.record(
        event_id,
        cause=failure.cause.value,
        reason=failure.reason,
        transaction_id=failure.transaction_id,
        fail_info=failure.fail_info.wire_name if failure.fail_info is not None else None,
        fail_info_text=failure.fail_info_text or None,
        hresult=failure.hresult,
        step=model.resume.value if model.resume is not None else None,
        again_at=model.wake_at.isoformat() if model.resume and model.wake_at else None,
    )


ACTIONS = (
    retry_fetch,
    retry_key,
    retry_build,
    retry_poll,
    retry_installation,
    retry_unanswered,
    fail,
    fail_unchanged,
    fail_lost_key,
    reject,
    expire,
    reject_round,
    expire_round,
    discard_round,
    report_expiry,
    note_expiry,
)
