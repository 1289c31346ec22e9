"""What a durable journal costs one enrollment, in time that passes.

Two agents enroll by turns, one with the SQLite journal, one with `MemoryJournal`; everything else
is alike and in memory. ``journal.*.durable`` is held against the other agent's time,
``journal.*.share`` is the part of the time that the journal adds. ``journal.commit`` is held
against a bare append and sync of as many bytes in the same folder, which no journal on that disk
can do without. Set ``TMPDIR`` to measure another disk; on one in memory a sync costs nothing.

Commits and syncs are counted, the latter with strace; without it they are left out with a word
on standard error.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sceplab_agent.core.commands import Record as Step
from sceplab_agent.core.events import EnrollRequested
from sceplab_agent.core.policy import RenewalPolicy
from sceplab_agent.core.states import State
from sceplab_agent.exchange import run_exchange
from sceplab_agent.http_transport import StdlibTransport
from sceplab_agent.journal import Journal, MemoryJournal, encode_json
from sceplab_agent.journal_sqlite import SqliteJournal
from sceplab_agent.transport import HttpTransport
from tests.bench.measure import cpu_us
from tests.bench.record import Record
from tests.bench.registry import Effort, benchmark
from tests.support.pair import Pair
from tests.support.power.tracing import trace
from tests.support.programs import find_program
from tests.support.server import serve_in_thread

_SETTINGS = {"challenge": {"mode": "none"}, "transactions": {"known_key": "reissue"}}
_POLICY = {"renewal": RenewalPolicy(new_key=False), "uses_challenge": False}
_COUNTED = 100
"""Enrollments under strace: enough for SQLite to move its WAL into the file a few times."""
_SYNCS = {"fsync", "fdatasync"}


def _agent(journal: Journal) -> Pair:
    return Pair(settings=_SETTINGS, policy=_POLICY, journal=journal)


def _work(pair: Pair, transport: HttpTransport) -> Callable[[], None]:
    """A function that enrolls once."""
    run_exchange(pair.session.start(), transport)

    def enroll() -> None:
        run_exchange(pair.session.process(EnrollRequested()), transport)
        assert pair.session.state is State.INSTALLED, pair.session.machine.failure

    return enroll


@contextlib.contextmanager
def _durable(folder: str) -> Iterator[SqliteJournal]:
    journal = SqliteJournal.create_or_open(Path(folder) / "journal.sqlite3")
    with contextlib.closing(journal):
        yield journal


def _shares(name: str, times: dict[str, float]) -> list[Record]:
    durable, memory = times["durable"], times["memory"]
    share = (durable - memory) / durable * 100
    return [
        Record(name=f"journal.{name}.durable", value=durable, unit="µs", reference=memory),
        Record(name=f"journal.{name}.share", value=share, unit="%"),
    ]


@benchmark
def journal_memory(effort: Effort) -> list[Record]:
    """The share of an enrollment without a socket."""
    with tempfile.TemporaryDirectory() as folder, _durable(folder) as journal:
        durable, memory = _agent(journal), _agent(MemoryJournal())
        works = {
            "durable": _work(durable, durable.transport),
            "memory": _work(memory, memory.transport),
        }
        times = cpu_us(works, effort, clock=time.perf_counter)
    return _shares("memory", times)


@benchmark
def journal_http(effort: Effort) -> list[Record]:
    """The share of an enrollment over loopback HTTP."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        works = {}
        journals = {"durable": stack.enter_context(_durable(folder)), "memory": MemoryJournal()}
        for name, journal in journals.items():
            pair = _agent(journal)
            served = stack.enter_context(serve_in_thread(pair.server, pair.clock))
            pair.url = served.scep_url
            pair.session = pair.new_session()
            works[name] = _work(pair, StdlibTransport())
        times = cpu_us(works, effort, clock=time.perf_counter)
    return _shares("http", times)


@benchmark
def journal_counts(effort: Effort) -> Iterator[Record]:
    """Commits and syncs of an enrollment; the more there are, the more an average says."""
    count = _COUNTED if effort.repeats >= _COUNTED else effort.repeats
    journal = MemoryJournal()
    pair = _agent(journal)
    enroll = _work(pair, pair.transport)
    enroll()
    before = len(journal.entries())
    enroll()
    commits = len(journal.entries()) - before
    yield Record(name="journal.commits", value=commits, unit="/enrollment")
    strace = find_program("strace")
    if strace is None:
        print("journal: syncs are left out, there is no strace", file=sys.stderr)
        return
    syncs = (_syncs(strace, count) - _syncs(strace, 0)) / count
    yield Record(name="journal.syncs", value=syncs, unit="/enrollment")


def _syncs(strace: Path, enrollments: int) -> int:
    """How often a process syncs that opens a journal, enrolls and ends without closing it."""
    with tempfile.TemporaryDirectory() as folder:

        def enroll_often() -> int:
            with _durable(folder) as journal:
                pair = _agent(journal)
                enroll = _work(pair, pair.transport)
                for _ in range(enrollments):
                    enroll()
                os._exit(0)

        status, calls = trace(strace, enroll_often, Path(folder) / "trace")
    assert status == 0
    return sum(call.name in _SYNCS for call in calls)


@benchmark
def journal_commit(effort: Effort) -> list[Record]:
    """One commit against a bare append and sync."""
    memory = MemoryJournal()
    pair = _agent(memory)
    _work(pair, pair.transport)()
    last, stored = memory.entries()[-1], memory.snapshot("lab")
    assert stored is not None
    step = Step(event_id=last.event_id, details=last.details, snapshot=stored.body)
    text = (encode_json(step.details) + encode_json(step.snapshot)).encode()
    with (
        tempfile.TemporaryDirectory() as folder,
        _durable(folder) as journal,
        (Path(folder) / "floor").open("ab", buffering=0) as file,
    ):

        def append() -> None:
            file.write(text)
            os.fdatasync(file.fileno())

        works = {"commit": lambda: journal.commit("lab", pair.clock(), step), "floor": append}
        times = cpu_us(works, effort, clock=time.perf_counter)
    return [
        Record(name="journal.commit", value=times["commit"], unit="µs", reference=times["floor"])
    ]
