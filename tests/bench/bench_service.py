"""What trustpoints at rest cost a running service: memory, start-up, and CPU of doing nothing.

Every trustpoint really enrolled; its certificate has months to go. ``service.memory.one`` is held
against a Python process that has imported the service and serves nothing.
``service.memory.each`` is what every further trustpoint adds, held against the text of its
snapshot in the journal. ``service.start_up`` is CPU time, held against a process that imports the
service, parses the file and reads each snapshot, and makes nothing of them.

``service.turns`` and ``service.idle_cpu`` are counted over a day that the event loop skips, so that
no scheduler has a part in them; they are held against the same day with one trustpoint.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sceplab_agent.journal import encode_json
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from tests.bench.proc import cpu_s, resident_kib
from tests.bench.record import Record
from tests.bench.registry import Effort, benchmark
from tests.bench.resting_agents import Fleet
from tests.bench.served_agent import served_agent
from tests.support.agent_cli import AgentFolder
from tests.support.source_tree import source_environment

_MANY = 1000
_MEMORY_TARGET = 1.5
"""Times the snapshot, which is some 10 KiB of text."""
_QUIET_S = 1.0
"""A service that says nothing for so long is at rest."""
_PATIENCE_S = 120.0
_SKIPPING = Path(__file__).with_name("skipping_agent.py")
_WAIT = "print(flush=True); sys.stdin.read()"
_BARE = f"import sceplab_agent.cli_commands, sys; {_WAIT}"
_READER = f"""
import sceplab_agent.cli_commands, json, sqlite3, sys, tomllib
tomllib.load(open("agent.toml", "rb"))
journal = sqlite3.connect("file:state/{FILE_NAME}?mode=ro", uri=True)
for (name,) in journal.execute("SELECT trustpoint FROM snapshot").fetchall():
    row = journal.execute("SELECT body FROM snapshot WHERE trustpoint = ?", (name,)).fetchone()
    json.JSONDecoder().raw_decode(row[0], row[0].index("{{"))
{_WAIT}
"""
_START_TARGET = 5.0


@dataclass(frozen=True, slots=True)
class _Rest:
    """A service that has nothing to do."""

    start_cpu_s: float
    memory_kib: int
    turns_a_day: int
    """How often the event loop woke."""
    cpu_ms_a_day: float


@benchmark
def service(effort: Effort) -> Iterator[Record]:
    """The service with one and with a thousand trustpoints."""
    is_full = effort.repeats >= 100
    many, quiet_s = (_MANY, _QUIET_S) if is_full else (10, 0.1)
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet()
        one = fleet.furnish(Path(folder) / "one", 1)
        more = fleet.furnish(Path(folder) / "more", many)
        alone = _look(one, 1, quiet_s=quiet_s)
        crowd = _look(more, many, quiet_s=quiet_s)
        snapshot_kib = _snapshot_kib(more)
        floor_cpu_s = _look_at_bare(_READER, more.folder)[1]
    each_kib = (crowd.memory_kib - alone.memory_kib) / (many - 1)
    yield from _memory(alone, each_kib, snapshot_kib)
    name = f"{many}_trustpoints"
    yield Record(
        name=f"service.start_up.{name}",
        value=crowd.start_cpu_s * 1000,
        unit="ms",
        reference=floor_cpu_s * 1000,
        target=_START_TARGET,
    )
    yield Record(
        name=f"service.turns.{name}",
        value=crowd.turns_a_day,
        unit="/day",
        reference=alone.turns_a_day,
    )
    yield Record(
        name=f"service.idle_cpu.{name}",
        value=crowd.cpu_ms_a_day,
        unit="ms/day",
        reference=alone.cpu_ms_a_day,
    )


def _memory(alone: _Rest, each_kib: float, snapshot_kib: float) -> Iterator[Record]:
    yield Record(
        name="service.memory.one",
        value=alone.memory_kib,
        unit="KiB",
        reference=_look_at_bare(_BARE, None)[0],
    )
    yield Record(
        name="service.memory.each",
        value=each_kib,
        unit="KiB",
        reference=snapshot_kib,
        target=_MEMORY_TARGET,
    )


def _look(agent: AgentFolder, count: int, *, quiet_s: float) -> _Rest:
    with served_agent(agent, count) as served:
        served.watch(quiet_s)
        start_cpu_s, memory_kib = served.start_cpu_s, resident_kib(served.pid)
    day = _skip_a_day(agent)
    return _Rest(start_cpu_s, memory_kib, int(day["turns"]), day["cpu_ms"])


def _skip_a_day(agent: AgentFolder) -> dict[str, float]:
    """What the event loop did on a day of rest."""
    report = agent.folder / "day.json"
    command = [sys.executable, str(_SKIPPING), str(report), "run", "-c", "agent.toml", "--quiet"]
    subprocess.run(
        command,
        cwd=agent.folder,
        env=source_environment(),
        stdout=subprocess.DEVNULL,
        timeout=_PATIENCE_S,
        check=True,
    )
    day: dict[str, float] = json.loads(report.read_text(encoding="utf-8"))
    return day


def _look_at_bare(program: str, folder: Path | None) -> tuple[int, float]:
    """Memory, KiB, and CPU, seconds, of a Python process that has run a few lines."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=source_environment(),
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        return resident_kib(process.pid), cpu_s(process.pid)


def _snapshot_kib(agent: AgentFolder) -> float:
    """Mean length of a snapshot, KiB."""
    journal = SqliteJournal.create_or_open(agent.folder / "state" / FILE_NAME)
    with contextlib.closing(journal):
        names = journal.trustpoints()
        stored = [journal.snapshot(name) for name in names]
    lengths = [len(encode_json(one.body).encode()) for one in stored if one is not None]
    return sum(lengths) / len(lengths) / 1024
