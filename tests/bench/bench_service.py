"""What trustpoints at rest cost a running service: memory, start-up, and CPU of doing nothing.

Every trustpoint really enrolled; its certificate has months to go. ``service.memory.one`` is held
against a Python process that has imported the service and serves nothing.
``service.memory.each`` is what every further trustpoint adds, held against the text of its
snapshot in the journal. ``service.start_up`` is held against the start with one trustpoint.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sceplab_agent.journal import encode_json
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from tests.bench.proc import Activity, resident_kib
from tests.bench.record import Record
from tests.bench.registry import Effort, benchmark
from tests.bench.resting_agents import Fleet
from tests.bench.served_agent import served_agent
from tests.support.agent_cli import AgentFolder
from tests.support.source_tree import source_environment

_MANY = 1000
_REST_S = 65.0
"""Longer than the longest sleep of a driver and of the clock's watch."""
_BARE = "import sceplab_agent.cli_commands, sys; print(flush=True); sys.stdin.read()"


@dataclass(frozen=True, slots=True)
class _Rest:
    """A service that has nothing to do."""

    start_s: float
    memory_kib: int
    a_minute: Activity


@benchmark
def service(effort: Effort) -> Iterator[Record]:
    """The service with one and with a thousand trustpoints."""
    is_full = effort.repeats >= 100
    many, rest_s = (_MANY, _REST_S) if is_full else (10, 0.1)
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet()
        one = fleet.furnish(Path(folder) / "one", 1)
        more = fleet.furnish(Path(folder) / "more", many)
        alone = _look(one, 1, rest_s=0.1)
        crowd = _look(more, many, rest_s=rest_s)
        snapshot_kib = _snapshot_kib(more)
    each_kib = (crowd.memory_kib - alone.memory_kib) / (many - 1)
    yield from _memory(alone, each_kib, snapshot_kib)
    name = f"{many}_trustpoints"
    yield Record(
        name=f"service.start_up.{name}", value=crowd.start_s, unit="s", reference=alone.start_s
    )
    yield Record(name=f"service.idle_cpu.{name}", value=crowd.a_minute.cpu_ms, unit="ms/min")
    yield Record(name=f"service.wake_ups.{name}", value=crowd.a_minute.wake_ups, unit="/min")


def _memory(alone: _Rest, each_kib: float, snapshot_kib: float) -> Iterator[Record]:
    yield Record(
        name="service.memory.one", value=alone.memory_kib, unit="KiB", reference=_bare_kib()
    )
    yield Record(name="service.memory.each", value=each_kib, unit="KiB", reference=snapshot_kib)


def _look(agent: AgentFolder, count: int, *, rest_s: float) -> _Rest:
    with served_agent(agent, count) as served:
        before, begin = Activity.of(served.pid), time.perf_counter()
        served.watch(rest_s)
        activity = Activity.of(served.pid).since(before)
        minutes = max(time.perf_counter() - begin, 1e-3) / 60
        a_minute = Activity(activity.cpu_ms / minutes, round(activity.wake_ups / minutes))
        return _Rest(served.start_s, resident_kib(served.pid), a_minute)


def _bare_kib() -> int:
    process = subprocess.Popen(
        [sys.executable, "-c", _BARE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=source_environment(),
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        return resident_kib(process.pid)


def _snapshot_kib(agent: AgentFolder) -> float:
    """Mean length of a snapshot, KiB."""
    journal = SqliteJournal.create_or_open(agent.folder / "state" / FILE_NAME)
    with contextlib.closing(journal):
        names = journal.trustpoints()
        stored = [journal.snapshot(name) for name in names]
    lengths = [len(encode_json(one.body).encode()) for one in stored if one is not None]
    return sum(lengths) / len(lengths) / 1024
