"""Chips for tests, by name: a stub, and swtpm behind ESAPI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sceplab_hsm.tpm.chip import TpmChip
from sceplab_hsm.tpm.stub import StubChip
from sceplab_hsm.tpm.stub_memory import ChipMemory
from sceplab_hsm.tpm.swtpm import SwtpmInstance, running_swtpm
from tests.support.swtpm import software_tpm

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class ChipBench:
    """A chip with a hand on its power switch."""

    name: str
    connect: Callable[[], TpmChip]
    power_cut: Callable[[], None]
    """Takes the power away without shutdown and gives it back."""
    power_cycle: Callable[[], None]
    """The same behind an orderly shutdown."""


@contextmanager
def stub_bench(place: Path) -> Iterator[ChipBench]:
    """A stub with a clock that stands still."""
    memory = ChipMemory(place / "chip")
    memory.create()

    def connect() -> StubChip:
        return StubChip(memory, now=lambda: NOW)

    yield ChipBench("stub", connect, lambda: connect().power_cut(), lambda: connect().power_cycle())


@contextmanager
def swtpm_bench(place: Path) -> Iterator[ChipBench]:
    """A software TPM of the system."""
    with software_tpm(place / "swtpm") as instance:

        def power_cut() -> None:
            running(instance).power_cut()
            instance.restart()

        def power_cycle() -> None:
            running(instance).stop()
            instance.restart()

        yield ChipBench("swtpm", instance.connect, power_cut, power_cycle)


def running(instance: SwtpmInstance) -> SwtpmInstance:
    """The process that runs on the state of an instance now."""
    found = running_swtpm(instance.state)
    assert found is not None
    return found


BENCHES: dict[str, Callable[[Path], AbstractContextManager[ChipBench]]] = {
    "stub": stub_bench,
    "swtpm": swtpm_bench,
}
"""Each takes a folder of its own."""
