"""Consumers of certificates for tests: one that keeps everything in memory and can be made fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import HandOffError
from sceplab_agent.handoff.api import Delivery, HandOff, Memo


@dataclass
class MemoryConsumer:
    """Uses the generation that was installed last; notes every step in ``steps``."""

    name: str = "memory"
    fails_at: str = ""
    """Step that raises: prepare, install, verify, commit or roll_back."""
    may_pass: bool = True
    in_use: int = 0
    """Generation in use; 0: none."""
    committed: int = 0
    steps: list[str] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)

    def prepare(self, delivery: Delivery) -> Memo:
        """See `HandOff.prepare`; the memo says what was in use."""
        self.deliveries.append(delivery)
        self._step("prepare")
        return {"before": str(self.in_use)}

    def install(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.install`."""
        self._step("install")
        self.in_use = delivery.generation

    def verify(self, delivery: Delivery, memo: Memo) -> str:
        """See `HandOff.verify`."""
        self._step("verify")
        return f"{self.name} uses generation {self.in_use}"

    def commit(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.commit`."""
        self._step("commit")
        self.committed = delivery.generation

    def roll_back(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.roll_back`."""
        self._step("roll_back")
        self.in_use = int(memo["before"])

    def _step(self, step: str) -> None:
        self.steps.append(step)
        if step == self.fails_at:
            raise HandOffError(self.name, f"{step} was told to fail", may_pass=self.may_pass)


def open_memory_handoff(name: str, table: ConfigTable, base_dir: Path) -> HandOff:
    """Factory of `MemoryConsumer`: the key ``fails_at`` names a step, ``may_pass`` its kind."""
    return MemoryConsumer(
        name=name, fails_at=table.text("fails_at"), may_pass=table.flag("may_pass", default=True)
    )
