"""Actions when the operator gives up, and when the process starts again from a snapshot."""

from __future__ import annotations

from sceplab_agent.core.actions.certificate import (
    delete_retired_key,
    install_accepted,
    judge_reply,
)
from sceplab_agent.core.actions.failure import count_unanswered, pause_renewal
from sceplab_agent.core.actions.handoff import hand_over
from sceplab_agent.core.actions.request import ask_outcome, build_request, prepare_key
from sceplab_agent.core.actions.rollover import ask_consent
from sceplab_agent.core.actions.trust import ask_operator, fetch_ca
from sceplab_agent.core.events import FailureCause
from sceplab_agent.core.model import Awaited, Goal
from sceplab_agent.core.next_steps import END_HANDOFF, NOT_CANCELLED
from sceplab_agent.core.states import State
from sceplab_agent.core.turn import Turn
from sceplab_agent.core.verdicts import GoalPursued


def cancel(turn: Turn) -> None:
    """Closes the transaction and deletes the key that was made for it."""
    model = turn.model
    transaction, key = model.transaction, model.new_key
    model.transaction = None
    model.new_key = None
    model.successor = None
    model.candidate = None
    model.goal = Goal.NONE
    model.awaited = Awaited.NOTHING
    model.resume = None
    model.failure = None
    model.attempts = 0
    pause_renewal(turn)
    if key is not None and key.is_ours:
        model.retired_keys = (*model.retired_keys, key.key_id)
    turn.record(
        "enrollment.cancelled",
        transaction_id=transaction.transaction_id if transaction is not None else None,
    )
    delete_retired_key(turn)


def refuse_to_cancel(turn: Turn) -> None:
    """Says why nothing was given up: deleting the key would break what may be in use."""
    turn.notify(
        "operator.needed",
        state=turn.model.state.value,
        cause=FailureCause.HANDOFF.value,
        reason=NOT_CANCELLED,
        next_step=END_HANDOFF,
    )


def hasten(turn: Turn) -> None:
    """Ends a pause; the attempts before count no more, nor does what they failed for."""
    model = turn.model
    model.attempts = 0
    model.rounds = 0
    model.failure = None
    model.wake_at = turn.now
    turn.record("enrollment.hastened", step=model.resume.value if model.resume else None)


def recover_at_once(turn: Turn) -> None:
    """Treats a request whose fate is unknown after a restart as unanswered, without waiting."""
    model = turn.model
    assert model.transaction is not None
    model.resume = count_unanswered(turn)
    model.awaited = Awaited.NOTHING
    model.wake_at = turn.now
    turn.record(
        "enrollment.retry",
        transaction_id=model.transaction.transaction_id,
        reason="restarted while the request was out",
        step=model.resume.value,
    )
    delete_retired_key(turn)


def resume_step(turn: Turn) -> None:
    """Does the step again whose answer a restart has lost."""
    model = turn.model
    awaited = model.awaited
    if model.state is State.PENDING:
        if awaited is not Awaited.NOTHING:
            model.awaited = Awaited.NOTHING
            model.wake_at = turn.now
    elif model.state in (State.INSTALLED, State.ROLLOVER):
        model.awaited = Awaited.NOTHING  # the next CA is asked for again
        ask_consent(turn)
    elif model.state is State.ISSUED_UNVERIFIED:
        if awaited is Awaited.INSTALLATION:
            install_accepted(turn)
        else:
            judge_reply(turn)
    elif model.state is State.CA_PINNED and model.goal is not Goal.NONE:
        turn.follow(GoalPursued())
    elif awaited is Awaited.HANDOFF:
        hand_over(turn)
    elif awaited is Awaited.CA:
        fetch_ca(turn)
    elif awaited is Awaited.OPERATOR:
        ask_operator(turn)
    elif awaited is Awaited.KEY:
        prepare_key(turn)
    elif awaited is Awaited.MESSAGE:
        _build_again(turn)
    delete_retired_key(turn)


def _build_again(turn: Turn) -> None:
    transaction = turn.model.transaction
    assert transaction is not None
    if transaction.is_asking:
        ask_outcome(turn)
    else:
        build_request(turn)


ACTIONS = (cancel, refuse_to_cancel, hasten, recover_at_once, resume_step)
