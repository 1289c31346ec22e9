"""Actions around the CA certificates."""

from __future__ import annotations

from sceplab_agent.core.actions.failure import need_operator
from sceplab_agent.core.actions.request import prepare_key
from sceplab_agent.core.commands import AskOperator, FetchCa
from sceplab_agent.core.events import CaCertificatesReceived, FailureCause, TransportFailed
from sceplab_agent.core.keys import choose_key, drop_shadow
from sceplab_agent.core.model import Awaited, Enrollment, Goal
from sceplab_agent.core.pinning import fingerprint_hex, judge_ca_certificates
from sceplab_agent.core.states import State
from sceplab_agent.core.succession import judge_succession
from sceplab_agent.core.turn import Turn
from sceplab_agent.core.values import Failure, TrustedCa
from sceplab_agent.core.verdicts import (
    CaDistrusted,
    CaSucceeded,
    CaTrusted,
    CaUnpinned,
    GoalPursued,
)


def note_configuration(turn: Turn) -> None:
    """Records that the trustpoint is set, or set differently."""
    turn.record("trustpoint.configured", trustpoint=turn.policy.name)


def start_over(turn: Turn) -> None:
    """Leaves BLOCKED after a changed configuration. The stored anchor still counts."""
    turn.model.failure = None
    note_configuration(turn)


def begin_authentication(turn: Turn) -> None:
    """Fetches the CA for an operator who waits. Nothing is recorded: a restart forgets it."""
    model = turn.model
    model.goal = Goal.AUTHENTICATE
    model.failure = None
    model.attempts = 0
    fetch_ca(turn)


def begin_authentication_anew(turn: Turn) -> None:
    """Forgets the anchor that did not match: the operator starts from nothing."""
    turn.model.ca = None
    _forget_next_ca(turn.model)
    turn.model.schedule(turn.policy)
    begin_authentication(turn)


def fetch_ca(turn: Turn) -> None:
    """Asks for capabilities and CA certificates."""
    turn.model.wait_for(Awaited.CA)
    turn.give(FetchCa())


def judge_ca(turn: Turn) -> None:
    """Holds the CA certificates against pin, stored anchor and policy."""
    event, model = turn.event, turn.model
    assert isinstance(event, CaCertificatesReceived)
    if model.ca is not None and model.next_ca and model.is_next_ca_accepted(turn.policy):
        succeeded = judge_succession(
            event.certificates_der,
            event.capabilities,
            policy=turn.policy,
            current=model.ca,
            following=model.next_ca.ca,
            now=turn.now,
            is_clock_set=turn.is_clock_set,
        )
        if succeeded is not None:
            turn.follow(succeeded)
            return
    turn.follow(
        judge_ca_certificates(
            event.certificates_der,
            event.capabilities,
            policy=turn.policy,
            stored=turn.model.ca,
            now=turn.now,
            is_clock_set=turn.is_clock_set,
        )
    )


def pin_ca(turn: Turn) -> None:
    """Takes the CA over; what was wanted goes on behind it."""
    _trust(turn)
    turn.follow(GoalPursued())


def pin_ca_and_prepare_key(turn: Turn) -> None:
    """Takes the CA over and goes on with the renewal."""
    _trust(turn)
    prepare_key(turn)


def succeed_ca(turn: Turn) -> None:
    """The next CA takes over; what was wanted goes on behind it."""
    _succeed(turn)
    turn.record("rollover.switched", **describe_current(turn))
    turn.follow(GoalPursued())


def succeed_ca_and_prepare_key(turn: Turn) -> None:
    """The next CA takes over, and the renewal goes on with it."""
    _succeed(turn)
    turn.model.new_key = choose_key(turn.model, turn.policy)
    turn.model.wait_for(Awaited.KEY)  # what a restart from this record goes on with
    turn.record("rollover.switched", **describe_current(turn))
    prepare_key(turn)


def pin_candidate(turn: Turn) -> None:
    """Takes over the CA the operator accepted; what was wanted goes on behind it."""
    _trust_candidate(turn)
    turn.follow(GoalPursued())


def pin_candidate_and_prepare_key(turn: Turn) -> None:
    """Takes over the CA the operator accepted and goes on with the renewal."""
    _trust_candidate(turn)
    prepare_key(turn)


def ask_operator(turn: Turn) -> None:
    """Shows the fingerprint and waits. Also after a restart."""
    model = turn.model
    if isinstance(turn.event, CaUnpinned):
        model.candidate = turn.event.ca
    assert model.candidate is not None
    model.awaited = Awaited.OPERATOR
    turn.give(AskOperator(certificate_der=model.candidate.anchor_der))


def refuse_candidate(turn: Turn) -> None:
    """Forgets the CA that the operator refused."""
    model = turn.model
    model.candidate = None
    model.goal = Goal.NONE
    model.awaited = Awaited.NOTHING
    turn.record("ca.refused")


def block(turn: Turn) -> None:
    """Stops until the operator does something about the CA."""
    assert isinstance(turn.event, CaDistrusted)
    _block(turn, turn.event.reason)


def block_refused(turn: Turn) -> None:
    """Stops because the operator refused the CA in the middle of a renewal."""
    turn.model.candidate = None
    _block(turn, "the operator refused the CA certificate", is_lasting=True)


def rest(turn: Turn) -> None:
    """Ends an authentication; nothing else was wanted."""
    model = turn.model
    model.goal = Goal.NONE
    if model.ca is not None:
        turn.record("ca.pinned", **_describe(model.ca))


def report_unreachable(turn: Turn) -> None:
    """Tells the operator who waits; no silent retry."""
    assert isinstance(turn.event, TransportFailed)
    model = turn.model
    model.goal = Goal.NONE
    model.awaited = Awaited.NOTHING
    model.failure = Failure(cause=turn.event.cause, reason=turn.event.reason, at=turn.now)
    turn.notify("ca.unreachable", cause=turn.event.cause.value, reason=turn.event.reason)


def succeed(turn: Turn, ca: TrustedCa) -> None:
    """The next CA is the current one. A kept certificate that was not taken before is given up."""
    model = turn.model
    model.ca = ca
    _forget_next_ca(model)
    model.candidate = None
    model.awaited = Awaited.NOTHING
    model.attempts = 0
    model.schedule(turn.policy)


def _forget_next_ca(model: Enrollment) -> None:
    drop_shadow(model)
    model.next_ca = None
    model.next_ca_asked_at = None


def _trust(turn: Turn) -> None:
    assert isinstance(turn.event, CaTrusted)
    _take(turn, turn.event.ca)
    for note in turn.event.notes:
        turn.notify(note, anchor_sha256=fingerprint_hex(turn.event.ca.anchor_der))


def _trust_candidate(turn: Turn) -> None:
    candidate = turn.model.candidate
    assert candidate is not None
    _take(turn, candidate)


def _succeed(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, CaSucceeded)
    succeed(turn, event.ca)


def _take(turn: Turn, ca: TrustedCa) -> None:
    model = turn.model
    is_new = model.ca is None or model.ca.anchor_der != ca.anchor_der
    model.ca = ca
    if is_new:
        _forget_next_ca(model)
    model.schedule(turn.policy)
    model.candidate = None
    model.awaited = Awaited.NOTHING
    model.attempts = 0
    # Only where a restart can go on from: what follows in the other cases records the CA as well.
    if is_new and model.state is State.CA_PINNED and model.goal is Goal.ENROLL:
        turn.record("ca.pinned", **_describe(ca))


def _block(turn: Turn, reason: str, *, is_lasting: bool = False) -> None:
    model = turn.model
    model.goal = Goal.NONE
    model.wait_for(Awaited.NOTHING)
    model.failure = Failure(
        cause=FailureCause.TRUST, reason=reason, at=turn.now, is_lasting=is_lasting
    )
    turn.record("ca.distrusted", reason=reason)
    need_operator(turn, FailureCause.TRUST, reason)


def describe_current(turn: Turn) -> dict[str, str]:
    """The CA that is trusted, for a record."""
    assert turn.model.ca is not None
    return _describe(turn.model.ca)


def _describe(ca: TrustedCa) -> dict[str, str]:
    return {"anchor_sha256": fingerprint_hex(ca.anchor_der), "basis": ca.basis.value}


ACTIONS = (
    note_configuration,
    start_over,
    begin_authentication,
    begin_authentication_anew,
    fetch_ca,
    judge_ca,
    pin_ca,
    pin_ca_and_prepare_key,
    succeed_ca,
    succeed_ca_and_prepare_key,
    pin_candidate,
    pin_candidate_and_prepare_key,
    ask_operator,
    refuse_candidate,
    block,
    block_refused,
    rest,
    report_unreachable,
)
