"""What the rows of the transition table do: change the model, append commands, nothing else.

`ACTIONS` finds an action by the name a row gives.
"""

from __future__ import annotations

from collections.abc import Callable

from sceplab_agent.core.actions import (
    certificate,
    failure,
    handoff,
    recovery,
    request,
    rollover,
    shadow,
    trust,
)
from sceplab_agent.core.turn import Turn

ACTIONS: dict[str, Callable[[Turn], None]] = {
    action.__name__: action
    for module in (trust, request, certificate, handoff, failure, recovery, rollover, shadow)
    for action in module.ACTIONS
}
