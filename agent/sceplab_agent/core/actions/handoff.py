"""Actions while a new certificate is handed to its consumers. The one before stays active.

The key of the one before is retired, and so deleted, only behind the record ``handoff.done``.
"""

from __future__ import annotations

from sceplab_agent.core.actions.certificate import new_active, put_in_charge
from sceplab_agent.core.actions.failure import describe_failure, end, failure_now, retry
from sceplab_agent.core.commands import HandOver
from sceplab_agent.core.events import FailureCause, HandedOver, HandOffFailed
from sceplab_agent.core.keys import drop_waiting
from sceplab_agent.core.model import Awaited, Goal, Resume
from sceplab_agent.core.turn import Turn
from sceplab_agent.core.values import HandOffOutcome


def begin_handoff(turn: Turn) -> None:
    """The installed certificate waits beside the active one for its consumers."""
    model = turn.model
    model.successor = new_active(turn)
    model.transaction = None
    model.failure = None
    model.attempts = 0
    hand_over(turn)


def hand_over(turn: Turn) -> None:
    """Hands the waiting certificate over. Again after a failure, and after a restart."""
    model, successor = turn.model, turn.model.successor
    assert successor is not None
    model.goal = Goal.ENROLL if model.active is None else Goal.RENEW
    model.wait_for(Awaited.HANDOFF)
    turn.record("handoff.started", generation=successor.generation, key_id=successor.key_id)
    turn.give(
        HandOver(
            generation=successor.generation,
            key_id=successor.key_id,
            certificate_der=successor.certificate_der,
            chain_der=successor.chain_der,
        )
    )


def complete_handoff(turn: Turn) -> None:
    """The consumers work with it: it is the active certificate from now on."""
    model, event, successor = turn.model, turn.event, turn.model.successor
    assert isinstance(event, HandedOver)
    assert successor is not None
    model.successor = None
    _keep_outcome(turn, successor.generation, is_done=True, text=event.proof)
    put_in_charge(turn, successor, "handoff.done", proof=event.proof)


def retry_handoff(turn: Turn) -> None:
    """Hands the same certificate over again later."""
    _note_failure(turn)
    retry(turn, Resume.HAND_OVER, "handoff.retry")


def fail_handoff(turn: Turn) -> None:
    """Waits for the operator; the certificate before goes on, and its renewal timer with it.

    A failure that will not pass leaves the consumers in peace for half of the time that is left.
    """
    _note_failure(turn)
    end(turn, "handoff.failed", describe_failure(turn))


def drop_successor(turn: Turn) -> None:
    """The certificate ended before its consumers took it."""
    reason = "the new certificate ended before its consumers took it"
    if turn.model.failure is not None:
        reason += f"; last failure: {turn.model.failure.reason}"
    drop_waiting(turn.model)
    end(turn, "handoff.dropped", failure_now(turn, FailureCause.HANDOFF, reason))


def _note_failure(turn: Turn) -> None:
    model, event = turn.model, turn.event
    assert isinstance(event, HandOffFailed)
    assert model.successor is not None
    model.is_handoff_open = not event.is_undone
    _keep_outcome(turn, model.successor.generation, is_done=False, text=event.reason)


def _keep_outcome(turn: Turn, generation: int, *, is_done: bool, text: str) -> None:
    turn.model.last_handoff = HandOffOutcome(
        generation=generation, is_done=is_done, text=text, at=turn.now
    )


ACTIONS = (
    begin_handoff,
    hand_over,
    complete_handoff,
    retry_handoff,
    fail_handoff,
    drop_successor,
)
