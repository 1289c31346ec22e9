"""Actions around the certificate of the next CA that is kept until the switch.

None of them touches the certificate in use. The kept one takes over by the way of any new
certificate: judged, installed, handed over; nothing is fetched for it.

Spec: RFC 8894 §4.7, §5.1; checklist 14.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sceplab_agent.core.actions.certificate import delete_retired_key, judge_reply
from sceplab_agent.core.actions.failure import describe_failure, failure_now
from sceplab_agent.core.actions.request import prepare_key
from sceplab_agent.core.actions.trust import describe_current, succeed
from sceplab_agent.core.events import DeadlineReached, FailureCause, KeyReady, ReplyPending
from sceplab_agent.core.keys import choose_key, drop_shadow, drop_waiting, retire_new_key
from sceplab_agent.core.model import Awaited, Goal, Shadow
from sceplab_agent.core.policy import Backoff
from sceplab_agent.core.schedule import retry_at
from sceplab_agent.core.succession import heir
from sceplab_agent.core.turn import Turn
from sceplab_agent.core.values import Failure, Succession, TrustedCa
from sceplab_agent.core.verdicts import CaSucceeded, CertificateFit
from sceplab_scep.certificates import describe_certificate


def begin_shadow(turn: Turn) -> None:
    """Asks the next CA for a certificate. It was announced, so nothing is fetched before."""
    model = turn.model
    model.goal = Goal.ROLLOVER
    model.failure = None
    model.attempts = 0
    model.is_recovered = False
    model.new_key = choose_key(model, turn.policy)
    model.wait_for(Awaited.KEY)  # what a restart from this record goes on with
    turn.record("rollover.shadow-due", switch_at=_switch(turn))
    prepare_key(turn)


def keep_shadow(turn: Turn) -> None:
    """Keeps the fit certificate with its key and its reply; only the journal has it."""
    model, event, transaction = turn.model, turn.event, turn.model.transaction
    assert isinstance(event, CertificateFit)
    assert transaction is not None
    assert model.new_key is not None
    assert model.next_ca is not None
    summary = describe_certificate(event.certificate_der)
    model.shadow = Shadow(
        key=model.new_key,
        transaction=replace(
            transaction,
            sent=None,
            issued_der=event.certificate_der,
            issued_chain_der=event.chain_der,
        ),
        not_before=summary.not_before,
        not_after=summary.not_after,
    )
    model.new_key = None
    model.next_ca = replace(
        model.next_ca, shadow_attempts=0, shadow_pause_to=None, shadow_failure=""
    )
    _rest(turn)
    turn.record(
        "rollover.shadow-ready",
        transaction_id=transaction.transaction_id,
        key_id=model.shadow.key.key_id,
        serial_number=f"{summary.serial_number:X}",
        not_before=summary.not_before.isoformat(),
        not_after=summary.not_after.isoformat(),
        switch_at=_switch(turn),
    )


def end_shadow(turn: Turn) -> None:
    """Goes back to rest: asked for again later, else the switch is a renewal.

    The pauses grow from the longest one of a step to the interval at which a next CA is asked
    for. The key serves the next request.
    """
    failure, policy, following = _failure(turn), turn.policy, turn.model.next_ca
    attempts = following.shadow_attempts + 1 if following is not None else 1
    backoff = Backoff(
        first_s=policy.retry.backoff.ceiling_s,
        growth=policy.retry.backoff.growth,
        ceiling_s=policy.rollover.check_every_s,
        jitter_share=policy.retry.backoff.jitter_share,
    )
    _pause(turn, retry_at(backoff, attempts, turn.now, turn.rng), failure.reason)
    pause_to = turn.model.next_ca and turn.model.next_ca.shadow_pause_to
    turn.record(
        "rollover.shadow-failed",
        cause=failure.cause.value,
        reason=failure.reason,
        transaction_id=failure.transaction_id or None,
        fail_info=failure.fail_info.wire_name if failure.fail_info is not None else None,
        fail_info_text=failure.fail_info_text or None,
        not_before=pause_to.isoformat() if pause_to else None,
    )


def cancel_shadow(turn: Turn) -> None:
    """The operator gives the kept certificate up, or the attempt to get one.

    A certificate that waits for its consumers keeps its key.
    """
    model = turn.model
    transaction = model.transaction
    if model.successor is None:
        retire_new_key(model)
    drop_shadow(model)
    pause = timedelta(seconds=turn.policy.rollover.check_every_s)
    _pause(turn, turn.now + pause, "the operator gave it up")
    turn.record(
        "rollover.shadow-cancelled",
        transaction_id=transaction.transaction_id if transaction is not None else None,
    )
    delete_retired_key(turn)


def take_over(turn: Turn) -> None:
    """The moment has come: the next CA is the current one, with the kept certificate."""
    model = turn.model
    assert model.ca is not None
    assert model.next_ca is not None
    succession = Succession(pin=turn.policy.pin, anchor_der=model.ca.anchor_der)
    _use_shadow(turn, heir(model.next_ca.ca, succession, turn.now))


def succeed_with_shadow(turn: Turn) -> None:
    """The server shows the next CA as the current one: the kept certificate takes over."""
    assert isinstance(turn.event, CaSucceeded)
    _use_shadow(turn, turn.event.ca)


def _use_shadow(turn: Turn, ca: TrustedCa) -> None:
    model = turn.model
    drop_waiting(model)  # of the CA before
    shadow, active, other = model.shadow, model.active, model.new_key
    assert shadow is not None
    assert active is not None
    generation = max(active.generation + 1, other.generation if other is not None else 0)
    retire_new_key(model)
    model.shadow = None
    succeed(turn, ca)
    model.new_key = replace(shadow.key, generation=generation)
    model.transaction = replace(shadow.transaction)
    model.goal = Goal.RENEW
    model.failure = None
    model.rounds = 0
    model.is_recovered = False
    model.wait_for(Awaited.NOTHING)
    turn.record(
        "rollover.switched",
        **describe_current(turn),
        transaction_id=shadow.transaction.transaction_id,
        key_id=shadow.key.key_id,
    )
    judge_reply(turn)


def _failure(turn: Turn) -> Failure:
    """Why the attempt ends."""
    event, model = turn.event, turn.model
    if isinstance(event, KeyReady):
        reason = "the key store no longer holds the key of the certificate in use"
        return failure_now(turn, FailureCause.KEY_STORE, reason)
    if not isinstance(event, (DeadlineReached, ReplyPending)):
        return describe_failure(turn)
    if not model.is_next_ca_accepted(turn.policy):
        return failure_now(turn, FailureCause.TRUST, "the next CA is not accepted any more")
    before = f"; last failure: {model.failure.reason}" if model.failure else ""
    reason = f"no decision before the renewal of the certificate in use{before}"
    if model.transaction is not None and model.transaction.polls and not before:
        reason = f"no decision after {model.transaction.polls} polls"
    return failure_now(turn, FailureCause.EXHAUSTED, reason)


def _pause(turn: Turn, moment: datetime, reason: str) -> None:
    following = turn.model.next_ca
    if following is not None:
        turn.model.next_ca = replace(
            following,
            shadow_attempts=following.shadow_attempts + 1,
            shadow_pause_to=moment,
            shadow_failure=reason,
        )
    _rest(turn)


def _rest(turn: Turn) -> None:
    model = turn.model
    model.goal = Goal.NONE
    model.wait_for(Awaited.NOTHING)
    model.transaction = None
    model.failure = None
    model.attempts = 0
    model.is_recovered = False
    model.schedule(turn.policy)


def _switch(turn: Turn) -> str | None:
    moment = turn.model.switch_at
    return moment.isoformat() if moment is not None else None


ACTIONS = (begin_shadow, keep_shadow, end_shadow, cancel_shadow, take_over, succeed_with_shadow)
