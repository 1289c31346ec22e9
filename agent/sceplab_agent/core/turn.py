"""What guards and actions get to see while one event is handled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sceplab_agent.core.catalogue import CATALOGUE
from sceplab_agent.core.commands import Command, Notify, Record
from sceplab_agent.core.events import Event
from sceplab_agent.core.model import Enrollment
from sceplab_agent.core.policy import EnrollmentPolicy
from sceplab_agent.core.schedule import RandomSource
from sceplab_agent.core.snapshot import write_snapshot
from sceplab_agent.core.verdicts import Verdict

Detail = str | int | bool | None


@dataclass(slots=True, kw_only=True)
class Turn:
    """One call of `EnrollmentMachine.handle`: the event, its surroundings, what comes of it."""

    model: Enrollment
    policy: EnrollmentPolicy
    event: Event | Verdict
    now: datetime
    rng: RandomSource
    new_transaction_id: Callable[[], str]
    is_clock_set: bool
    """Whether ``now`` may decide that something has ended. Checklist 8, last rule."""
    commands: list[Command] = field(default_factory=list)
    verdicts: list[Verdict | Event] = field(default_factory=list)

    @property
    def is_expired(self) -> bool:
        """Whether the active certificate has ended, by a clock that can be trusted."""
        active = self.model.active
        return active is not None and self.is_clock_set and self.now >= active.not_after

    def record(self, event_id: str, **details: Detail) -> None:
        """Appends a `Record` with the model as it is now."""
        self.model.newest_at = max(self.model.newest_at, self.now)
        snapshot = write_snapshot(self.model)
        self.commands.append(Record(event_id=event_id, details=details, snapshot=snapshot))

    def notify(self, event_id: str, **details: Detail) -> None:
        """Appends a `Notify`; how loud it is, the catalogue says."""
        level = CATALOGUE[event_id].level
        self.commands.append(Notify(event_id=event_id, level=level, details=details))

    def give(self, command: Command) -> None:
        """Appends any other command."""
        self.commands.append(command)

    def follow(self, verdict: Verdict | Event) -> None:
        """Has a verdict handled behind the present event, in the same call."""
        self.verdicts.append(verdict)
