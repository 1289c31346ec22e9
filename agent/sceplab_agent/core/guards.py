"""Conditions of the transition table, by name. They look and change nothing."""

from __future__ import annotations

from datetime import timedelta

from sceplab_agent.core.events import (
    EnrollRequested,
    FailureCause,
    HandOffFailed,
    KeyDeleted,
    KeyFailed,
    KeyReady,
    ReplyRejected,
    RequestFailed,
    TransportFailed,
)
from sceplab_agent.core.model import Awaited, Goal, Resume
from sceplab_agent.core.schedule import is_poll_exhausted
from sceplab_agent.core.states import State
from sceplab_agent.core.turn import Turn
from sceplab_agent.core.verdicts import CertificateUnfit
from sceplab_scep.attributes import FailInfo

# What is outstanding


def awaits_ca(turn: Turn) -> bool:
    """The CA certificates are being fetched."""
    return turn.model.awaited is Awaited.CA


def awaits_next_ca(turn: Turn) -> bool:
    """The next CA is being fetched."""
    return turn.model.awaited is Awaited.NEXT_CA


def awaits_operator(turn: Turn) -> bool:
    """The operator is looking at a fingerprint."""
    return turn.model.awaited is Awaited.OPERATOR


def awaits_message(turn: Turn) -> bool:
    """A message is being built."""
    return turn.model.awaited is Awaited.MESSAGE


def awaits_reply(turn: Turn) -> bool:
    """A message is out and not answered."""
    return turn.model.awaited is Awaited.REPLY


def awaits_installation(turn: Turn) -> bool:
    """A certificate is being installed."""
    return turn.model.awaited is Awaited.INSTALLATION


def awaits_handoff(turn: Turn) -> bool:
    """The certificate is with its consumers."""
    return turn.model.awaited is Awaited.HANDOFF


# What there is


def has_active(turn: Turn) -> bool:
    """A certificate is installed, expired or not."""
    return turn.model.active is not None


def has_ca(turn: Turn) -> bool:
    """The CA was trusted before."""
    return turn.model.ca is not None


def is_interactive(turn: Turn) -> bool:
    """Only the CA is wanted, and the operator waits for it."""
    return turn.model.goal is Goal.AUTHENTICATE


def wants_enrollment(turn: Turn) -> bool:
    """A certificate is wanted that does not rest on the active one."""
    return turn.model.goal is Goal.ENROLL


def wants_renewal(turn: Turn) -> bool:
    """The active certificate is being renewed."""
    return turn.model.goal is Goal.RENEW


def wants_shadow(turn: Turn) -> bool:
    """A certificate of the next CA is being asked for, to be kept."""
    return turn.model.goal is Goal.ROLLOVER


def lacks_challenge(turn: Turn) -> bool:
    """A first enrollment needs a challenge password and none is at hand.

    A renewal never waits for one, nor does an enrollment that is repeated by itself after the end:
    they take what the configuration holds.
    """
    event, model = turn.event, turn.model
    if isinstance(event, EnrollRequested):
        return turn.policy.uses_challenge and not event.has_challenge
    if model.is_expiry_noted and turn.policy.renewal.enrolls_after_expiry:
        return False
    return wants_enrollment(turn) and turn.policy.uses_challenge and not model.has_challenge


# The active certificate and the clock


def is_expiry_news(turn: Turn) -> bool:
    """The active certificate has ended and nobody was told yet."""
    return turn.is_expired and not turn.model.is_expiry_noted


def can_renew(turn: Turn) -> bool:
    """There is an active certificate and it has not ended."""
    return turn.model.active is not None and not turn.is_expired


def is_renewal_due(turn: Turn) -> bool:
    """The moment of automatic renewal has come and the certificate still signs."""
    moment = turn.model.renewal_at
    if moment is None or not turn.policy.renewal.enabled or not can_renew(turn):
        return False
    pause = turn.model.wake_at
    return turn.now >= moment and (pause is None or turn.now >= pause)


def keeps_renewing(turn: Turn) -> bool:
    """A renewal that may go on until the active certificate ends."""
    return wants_renewal(turn) and can_renew(turn)


def has_run_out(turn: Turn) -> bool:
    """A renewal whose certificate ended before a request was out."""
    resume = turn.model.resume
    is_early = resume is not None and resume.needs_certificate
    return is_early and wants_renewal(turn) and turn.is_expired


def is_unchanged(turn: Turn) -> bool:
    """The server answered with the certificate that was to be replaced."""
    return isinstance(turn.event, CertificateUnfit) and turn.event.is_unchanged


def is_reenrollment_due(turn: Turn) -> bool:
    """The active certificate has ended, the policy wants another, and the pause is over."""
    moment = turn.model.reenrollment_at(turn.policy)
    return moment is not None and turn.now >= moment


# The next CA


def is_next_ca_check_due(turn: Turn) -> bool:
    """It is time to ask for the next CA, a certificate is in use and nothing else is going on."""
    model, moment = turn.model, turn.model.next_ca_check_at
    is_idle = model.awaited is Awaited.NOTHING and not model.is_expiry_noted
    return is_idle and moment is not None and turn.now >= moment


def is_next_ca_asked(turn: Turn) -> bool:
    """The next CA is known and needs the operator's consent."""
    return turn.model.is_next_ca_asked(turn.policy)


def is_switch_delayed(turn: Turn) -> bool:
    """The switch is due, waits for the operator's consent, and nobody was told yet."""
    return turn.model.is_delay_news(turn.policy) and turn.now >= (turn.model.switch_at or turn.now)


def is_shadow_due(turn: Turn) -> bool:
    """It is time to ask for a certificate of the next CA, and nothing else comes first."""
    model = turn.model
    moment, limit, pause = model.shadow_at, model.renewal_at, model.wake_at
    is_free = model.awaited is Awaited.NOTHING and model.successor is None and can_renew(turn)
    if not is_free or moment is None or limit is None:
        return False
    return moment <= turn.now < limit and (pause is None or turn.now >= pause)


def is_shadow_over(turn: Turn) -> bool:
    """The renewal of the active certificate goes first, or the next CA is not wanted any more."""
    limit = turn.model.renewal_at
    is_idle = turn.model.awaited is Awaited.NOTHING
    is_wanted = turn.model.is_next_ca_accepted(turn.policy)
    is_late = limit is None or turn.now >= limit
    return wants_shadow(turn) and is_idle and (is_late or not is_wanted)


def has_shadow(turn: Turn) -> bool:
    """A certificate of the next CA is kept."""
    return turn.model.shadow is not None


def has_valid_shadow(turn: Turn) -> bool:
    """A certificate of the next CA is kept and may be used now."""
    shadow, skew = turn.model.shadow, timedelta(seconds=turn.policy.clock_skew_s)
    return shadow is not None and shadow.not_before - skew <= turn.now < shadow.not_after


def is_switch_due(turn: Turn) -> bool:
    """The moment of the kept certificate has come: it is valid, and nothing is in flight."""
    moment = turn.model.switch_due_at
    is_idle = turn.model.awaited in (Awaited.NOTHING, Awaited.NEXT_CA)
    return is_idle and moment is not None and turn.now >= moment


# The hand-off


def hands_over(turn: Turn) -> bool:
    """The certificate has consumers that have to take it first."""
    return turn.policy.hands_over


def can_hand_over(turn: Turn) -> bool:
    """A certificate waits for its consumers, has not ended, and may be taken yet.

    One that was refused for good is not tried again while the one before is still valid.
    """
    successor, failure = turn.model.successor, turn.model.failure
    if successor is None or (turn.is_clock_set and turn.now >= successor.not_after):
        return False
    is_refused = failure is not None and failure.is_lasting
    return not (is_refused and can_renew(turn))


def may_hand_over_again(turn: Turn) -> bool:
    """The failure may pass; a first certificate has a number of attempts, a renewed one time."""
    event = turn.event
    if not isinstance(event, HandOffFailed) or not event.may_pass:
        return False
    return has_active(turn) or turn.model.attempts + 1 < turn.policy.retry.max_attempts


def is_handoff_undone(turn: Turn) -> bool:
    """No consumer uses the certificate that waits."""
    return not turn.model.is_handoff_open


# Failures


def may_retry(turn: Turn) -> bool:
    """The failure may pass and attempts are left, or a renewal still has time."""
    if keeps_renewing(turn):
        return True
    return _may_pass(turn) and turn.model.attempts + 1 < turn.policy.retry.max_attempts


def may_poll_again(turn: Turn) -> bool:
    """The poll failed for a passing reason; polls and time bound the repeats, not attempts."""
    return keeps_renewing(turn) or _may_pass(turn)


def _may_pass(turn: Turn) -> bool:
    event = turn.event
    if isinstance(event, TransportFailed):
        return event.is_retryable
    if isinstance(event, RequestFailed):
        return event.cause is FailureCause.KEY_STORE and event.is_retryable
    if isinstance(event, KeyFailed):
        return event.is_retryable
    return True


def asks_after_silence(turn: Turn) -> bool:
    """The refused request was unanswered before: the first copy may have been accepted."""
    transaction = turn.model.transaction
    return (
        awaits_reply(turn)
        and transaction is not None
        and transaction.unanswered > 0
        and not transaction.is_asking
    )


def starts_anew(turn: Turn) -> bool:
    """The server does not know the transaction (any more), and it was not replaced before.

    Spec: RFC 8894 §5.2; checklist 11, 12.
    """
    transaction = turn.model.transaction
    if not awaits_reply(turn) or transaction is None or turn.model.is_recovered:
        return False
    if transaction.is_asking:
        return True
    is_lost = isinstance(turn.event, ReplyRejected) and turn.event.fail_info is FailInfo.BAD_CERT_ID
    return turn.model.state is State.PENDING and is_lost


# Keys


def is_expected_key(turn: Turn) -> bool:
    """The key is the one that was asked for."""
    key = turn.model.new_key
    return isinstance(turn.event, KeyReady) and key is not None and key.key_id == turn.event.key_id


def is_active_key_lost(turn: Turn) -> bool:
    """The key of the active certificate was to be used again, and the store made another."""
    active = turn.model.active
    return (
        is_expected_key(turn)
        and isinstance(turn.event, KeyReady)
        and active is not None
        and active.key_id == turn.event.key_id
        and active.public_key_der != turn.event.public_key_der
    )


def is_retired_key(turn: Turn) -> bool:
    """The key is one that is to be deleted."""
    event, retired = turn.event, turn.model.retired_keys
    if isinstance(event, KeyFailed) and not event.key_id:
        return bool(retired) and turn.model.awaited is not Awaited.KEY
    return isinstance(event, (KeyDeleted, KeyFailed)) and event.key_id in retired


def is_wanted_key(turn: Turn) -> bool:
    """The failure is about the key that was asked for."""
    key = turn.model.new_key
    failed = turn.event
    return isinstance(failed, KeyFailed) and key is not None and failed.key_id in ("", key.key_id)


# Waiting


def is_wake_due(turn: Turn) -> bool:
    """The set moment has come."""
    return turn.model.wake_at is not None and turn.now >= turn.model.wake_at


def is_poll_due(turn: Turn) -> bool:
    """The next poll is due and none is in flight."""
    return turn.model.awaited is Awaited.NOTHING and is_wake_due(turn)


def are_polls_used_up(turn: Turn) -> bool:
    """The transaction has no poll or no time left."""
    transaction = turn.model.transaction
    if transaction is None:
        return False
    deadline_at = transaction.deadline_at if turn.is_clock_set else None
    return is_poll_exhausted(turn.policy.poll, transaction.polls, turn.now, deadline_at)


def resumes_fetch(turn: Turn) -> bool:
    """The next step is GetCACert."""
    return turn.model.resume is Resume.FETCH


def resumes_key(turn: Turn) -> bool:
    """The next step is the key."""
    return turn.model.resume is Resume.KEY


def resumes_build(turn: Turn) -> bool:
    """The next step is to build the request."""
    return turn.model.resume is Resume.BUILD


def resumes_retransmission(turn: Turn) -> bool:
    """The next step is to send the same bytes again."""
    return turn.model.resume is Resume.RETRANSMIT


def resumes_asking(turn: Turn) -> bool:
    """The next step is a CertPoll for an unanswered request."""
    return turn.model.resume is Resume.ASK


def resumes_anew(turn: Turn) -> bool:
    """The next step is a new transaction in place of an unanswered one."""
    return turn.model.resume is Resume.ANEW


def resumes_poll(turn: Turn) -> bool:
    """The next step is the next CertPoll of a pending transaction."""
    return turn.model.resume is Resume.POLL


def resumes_installation(turn: Turn) -> bool:
    """The next step is to install again."""
    return turn.model.resume is Resume.INSTALL


def resumes_handoff(turn: Turn) -> bool:
    """The next step is to hand the certificate over again."""
    return turn.model.resume is Resume.HAND_OVER
