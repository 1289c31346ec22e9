"""Actions around the next CA. None of them touches the certificate in use or its renewal."""

from __future__ import annotations

from dataclasses import replace

from sceplab_agent.core.actions.certificate import delete_retired_key
from sceplab_agent.core.actions.failure import need_operator
from sceplab_agent.core.actions.trust import start_over
from sceplab_agent.core.commands import AskOperator, FetchNextCa
from sceplab_agent.core.events import FailureCause, NextCaReceived, TransportFailed
from sceplab_agent.core.keys import drop_shadow
from sceplab_agent.core.model import Awaited
from sceplab_agent.core.next_ca import Consent, NextCa
from sceplab_agent.core.next_steps import NEXT_CA
from sceplab_agent.core.pinning import fingerprint_hex
from sceplab_agent.core.rollover import NextCaRefused, judge_next_ca
from sceplab_agent.core.states import State
from sceplab_agent.core.turn import Turn
from sceplab_agent.core.values import TrustedCa


def ask_for_next_ca(turn: Turn) -> None:
    """Asks the server. Nothing is recorded: a restart asks again."""
    turn.model.awaited = Awaited.NEXT_CA
    turn.give(FetchNextCa())


def judge_next(turn: Turn) -> None:
    """Holds the answer against the current CA.

    Spec: RFC 8894 §4.7.1 (C-31).
    """
    model, event = turn.model, turn.event
    assert isinstance(event, NextCaReceived)
    assert model.ca is not None
    verdict = judge_next_ca(
        event.body,
        event.capabilities,
        policy=turn.policy,
        current=model.ca,
        now=turn.now,
        is_clock_set=turn.is_clock_set,
    )
    if isinstance(verdict, NextCaRefused):
        _close_check(turn, "rollover.refused", reason=verdict.reason)
    elif model.next_ca is not None and model.next_ca.ca.anchor_der == verdict.ca.anchor_der:
        model.next_ca = replace(model.next_ca, ca=verdict.ca)  # its RA may be another by now
        _close_check(turn, "rollover.unchanged")
    else:
        _take_next(turn, verdict.ca)


def note_absent(turn: Turn) -> None:
    """Asks again later."""
    _close_check(turn, "rollover.none")


def note_unanswered(turn: Turn) -> None:
    """Asks again later."""
    assert isinstance(turn.event, TransportFailed)
    reason = turn.event.reason
    _close_check(turn, "rollover.unanswered", cause=turn.event.cause.value, reason=reason)


def rest_before_switch(turn: Turn) -> None:
    """Records that the enrollment rests with a next CA."""
    moment = turn.model.switch_at
    turn.record("rollover.resting", switch_at=moment.isoformat() if moment else None)
    ask_consent(turn)


def ask_consent(turn: Turn) -> None:
    """Shows the next CA to an operator who has said nothing yet. Also after a restart."""
    following = turn.model.next_ca
    if following and following.consent is Consent.NONE and turn.model.is_next_ca_asked(turn.policy):
        turn.give(AskOperator(certificate_der=following.ca.anchor_der))


def accept_next_ca(turn: Turn) -> None:
    """The operator agrees to the switch."""
    _answer(turn, Consent.ACCEPTED, "rollover.accepted")


def accept_next_ca_and_start_over(turn: Turn) -> None:
    """The operator agrees to the CA that blocked the renewal."""
    start_over(turn)
    accept_next_ca(turn)


def decline_next_ca(turn: Turn) -> None:
    """The operator does not agree; may still change that."""
    _answer(turn, Consent.REFUSED, "rollover.declined")


def report_delay(turn: Turn) -> None:
    """Says, once, that the switch is due and waits."""
    model = turn.model
    assert model.next_ca is not None
    model.next_ca = replace(model.next_ca, is_delay_noted=True)
    sha256 = fingerprint_hex(model.next_ca.ca.anchor_der)
    turn.record("rollover.delayed", anchor_sha256=sha256)
    reason = f"the next CA, sha256 {sha256}, should take over now and is not accepted"
    need_operator(turn, FailureCause.TRUST, reason, NEXT_CA)


def _answer(turn: Turn, consent: Consent, event_id: str) -> None:
    model = turn.model
    assert model.next_ca is not None
    model.next_ca = replace(model.next_ca, consent=consent)
    model.schedule(turn.policy)
    turn.record(event_id, anchor_sha256=fingerprint_hex(model.next_ca.ca.anchor_der))


def _take_next(turn: Turn, ca: TrustedCa) -> None:
    """The CA names a successor, or another one than before: what was kept of that goes."""
    model = turn.model
    event_id = "rollover.known" if model.next_ca is None else "rollover.changed"
    drop_shadow(model)
    model.next_ca = NextCa(ca=ca, learned_at=turn.now)
    _close_check(turn, event_id, anchor_sha256=fingerprint_hex(ca.anchor_der))
    if model.state is State.ROLLOVER:
        ask_consent(turn)
    delete_retired_key(turn)


def _close_check(turn: Turn, event_id: str, **details: str) -> None:
    model = turn.model
    model.awaited = Awaited.NOTHING
    model.next_ca_asked_at = turn.now
    model.newest_at = max(model.newest_at, turn.now)
    model.schedule(turn.policy)
    moment = model.next_ca_check_at
    turn.record(event_id, **details, again_at=moment.isoformat() if moment else None)


ACTIONS = (
    ask_for_next_ca,
    judge_next,
    note_absent,
    note_unanswered,
    rest_before_switch,
    accept_next_ca,
    accept_next_ca_and_start_over,
    decline_next_ca,
    report_delay,
)
