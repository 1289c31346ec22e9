"""The transition table in motion: one shared machine, fired on models it never registers.

All that is known of the library `transitions` stands here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from transitions import EventData, Machine, MachineError

from sceplab_agent.core import guards
from sceplab_agent.core.actions import ACTIONS
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.states import State
from sceplab_agent.core.transitions import TRANSITIONS
from sceplab_agent.core.turn import Turn


@functools.cache
def shared_machine() -> Machine:
    """The one machine of the process. It keeps no model, so any thread may fire on any model."""
    machine = Machine(
        model=None,
        states=State,
        initial=None,
        auto_transitions=False,
        send_event=True,
        queued=False,
    )
    for row in TRANSITIONS:
        machine.add_transition(
            row.trigger.__name__,
            list(row.sources),
            row.destination,
            conditions=[_on_turn(getattr(guards, name)) for name in row.guards],
            # After the move, so that a Record shows the state that was reached.
            after=[_on_turn(ACTIONS[row.action])] if row.action else [],
        )
    return machine


def fire(turn: Turn) -> None:
    """Takes the first row that accepts the turn's event.

    Raises:
        IllegalEventError: no row does; the model is unchanged.
    """
    machine, model = shared_machine(), turn.model
    name = type(turn.event).__name__
    try:
        is_accepted = bool(machine.events[name].trigger(model, turn=turn))
    except MachineError:
        is_accepted = False
    if not is_accepted:
        raise IllegalEventError(model.state, name, missing_guards(turn))


def missing_guards(turn: Turn) -> list[str]:
    """Names of the guards that kept the rows of this state and event from being taken."""
    rows = (row for row in TRANSITIONS if isinstance(turn.event, row.trigger))
    failed = (
        name
        for row in rows
        if turn.model.state in row.sources
        for name in row.guards
        if not getattr(guards, name)(turn)
    )
    return list(dict.fromkeys(failed))


def _on_turn(function: Callable[[Turn], Any]) -> Callable[[EventData], Any]:
    def call(event_data: EventData) -> Any:
        return function(event_data.kwargs["turn"])

    return functools.update_wrapper(call, function)
