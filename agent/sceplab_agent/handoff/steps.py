"""One step of a hand-off, called so that a consumer's mistake cannot stop the agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sceplab_agent.errors import HandOffError

T = TypeVar("T")


def guarded(name: str, step: str, call: Callable[..., T], *arguments: object) -> T:
    """Calls a step of a hand-off.

    Args:
        name: of the hand-off.
        step: for the message.
        call: the step.
        arguments: of it.

    Raises:
        HandOffError: the step's own, or one for whatever else it raised.
    """
    try:
        return call(*arguments)
    except HandOffError:
        raise
    except Exception as error:
        # Only the kind of it: a plug-in's text may quote a key or a PIN.
        raise HandOffError(
            name, f"{step} failed: {type(error).__name__}; tell its author", may_pass=False
        ) from error
