"""Errors of the core. A refusal by the peer is an event, never one of these."""

from __future__ import annotations

from collections.abc import Sequence

from sceplab_agent.core.states import State


class CoreError(Exception):
    """Root of everything the core raises on purpose."""


class IllegalEventError(CoreError):
    """The event cannot happen in this state; the machine is unchanged.

    Args:
        state: where the machine stands.
        event_name: class name of the event.
        missing: names of the guards that stood in the way; empty when the state has no such row.
    """

    def __init__(self, state: State, event_name: str, missing: Sequence[str] = ()) -> None:
        reason = f" (needs {' or '.join(missing)})" if missing else ""
        super().__init__(f"{event_name} is not possible in {state.value}{reason}")
        self.state = state
        self.event_name = event_name
        self.missing = tuple(missing)


class PollExhaustedError(CoreError):
    """The polls or the time of one transaction are used up.

    Args:
        polls: polls sent so far.
        waited_s: seconds since the first PENDING.
    """

    def __init__(self, polls: int, waited_s: float) -> None:
        super().__init__(f"no decision after {polls} polls in {waited_s:.0f} s")
        self.polls = polls
        self.waited_s = waited_s


class SnapshotError(CoreError):
    """A stored snapshot cannot be read; it is neither repaired nor reset."""
