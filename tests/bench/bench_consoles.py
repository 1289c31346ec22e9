"""Consoles: commands a second, start-up and memory, side by side with FakeNOS over SSH.

``console.ssh.*`` compares with FakeNOS (PyPI: fakenos), driven by the same client
program with the same commands on as many devices; it is left out with a word on standard error
where ``make clients`` did not make its environment. FakeNOS starts devices one by one at a constant
pace, so that a few of them are started and the time is multiplied up to a thousand.
``console.tcp.*`` is ours alone. Memory is what idle consoles add to the resident memory of the
devices' process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.bench.proc import resident_kib
from tests.bench.record import Record
from tests.bench.registry import Effort, benchmark
from tests.support.source_tree import ROOT, source_environment

_USER, _PASSWORD = "admin", "lab-login"
_PREPARE = ["enable", "terminal length 0", "terminal width 511"]
_COMMANDS = ["show clock", "show version", "show running-config"]
_DEVICES, _SESSIONS = 20, 200
_ROUNDS, _PEER_ROUNDS = 20, 4
"""The peer is so slow that a few rounds take as long."""
_STARTED = 1000
_PEER_STARTED = 25
_FIRST_PEER_PORT = 24000
_IDLE_TCP, _CONSOLES_OF_A_DEVICE = 2000, 4
_PEER = ROOT / ".venvs" / "fakenos" / "bin" / "python"
_PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class _Served:
    """Devices that listen."""

    places: list[tuple[str, int]]
    start_s: float
    """From the start of the process to the moment when all ports listen."""
    pid: int


@contextmanager
def _running(
    command: Sequence[str | Path], *, errors: int | None = None, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """A process that ends when its standard input does, or is ended."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT,
        env={**source_environment(), **variables},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def _answer(stream: IO[str] | None) -> Any:
    assert stream is not None
    line = stream.readline()
    if not line:
        raise RuntimeError("a program of the benchmark ended too early")
    return json.loads(line)


@contextmanager
def _ours(devices: int, kind: str) -> Iterator[_Served]:
    """A rack of routers, each with one line of this kind on a free port."""
    with tempfile.TemporaryDirectory() as folder:
        rack = Path(folder) / "rack.yaml"
        settings: dict[str, Any] = {"profile": "cisco-ios", "lines": [f"{kind}:127.0.0.1:0"]}
        if kind == "ssh":
            settings["users"] = {_USER: "env:BENCH_PASSWORD"}
        entry = {"name": f"r{{1..{devices}}}"}
        rack.write_text(json.dumps({"defaults": settings, "devices": [entry]}), encoding="utf-8")
        command = [sys.executable, "-m", "sceplab_lab", "device", "serve", "-i", rack, "--json"]
        begin = time.perf_counter()
        with _running(command, BENCH_PASSWORD=_PASSWORD) as process:
            ready = _answer(process.stdout)
            start_s = time.perf_counter() - begin
            places = []
            for device in ready["devices"]:
                _, host, port = device["consoles"][0].split(":")
                places.append((host, int(port)))
            yield _Served(places, start_s, process.pid)


@contextmanager
def _peer(devices: int) -> Iterator[_Served]:
    program = Path(__file__).parent / "consoles" / "fakenos_peer.py"
    command = [_PEER, program, str(devices), str(_FIRST_PEER_PORT), _USER, _PASSWORD]
    begin = time.perf_counter()
    with _running(command, errors=subprocess.DEVNULL) as process:  # it tells of every hang-up
        _answer(process.stdout)
        start_s = time.perf_counter() - begin
        places = [("127.0.0.1", _FIRST_PEER_PORT + number) for number in range(devices)]
        yield _Served(places, start_s, process.pid)


def _order(kind: str, places: Sequence[tuple[str, int]], **more: Any) -> dict[str, Any]:
    return {"kind": kind, "places": list(places), "user": _USER, "password": _PASSWORD, **more}


def _load(order: dict[str, Any]) -> dict[str, float]:
    with _client(order) as process:
        measured: dict[str, float] = _answer(process.stdout)
        return measured


@contextmanager
def _client(order: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    with _running([sys.executable, "-m", "tests.bench.consoles.load"]) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        yield process


def _spread(places: Sequence[tuple[str, int]], sessions: int) -> list[tuple[str, int]]:
    return [places[number % len(places)] for number in range(sessions)]


@benchmark
def consoles(effort: Effort) -> Iterator[Record]:
    """Commands a second and their times at many sessions; one command alone; start-up; memory."""
    is_full = effort.repeats >= 100
    sessions, devices = (_SESSIONS, _DEVICES) if is_full else (4, 2)
    yield from _commands(devices, sessions, rounds=_ROUNDS if is_full else 1)
    yield from _start_up(_STARTED if is_full else 10, _PEER_STARTED if is_full else 2)
    yield from _memory("tcp", _IDLE_TCP if is_full else 20, _CONSOLES_OF_A_DEVICE, bound_kib=12.0)
    yield from _memory("ssh", _SESSIONS if is_full else 4, 10, bound_kib=60.0)


def _has_peer() -> bool:
    if _PEER.exists():
        return True
    print(
        "consoles: FakeNOS is left out; its environment is made by: make clients", file=sys.stderr
    )
    return False


def _commands(devices: int, sessions: int, *, rounds: int) -> Iterator[Record]:
    work: dict[str, Any] = {"prepare": _PREPARE, "commands": _COMMANDS, "rounds": rounds}
    with _ours(devices, "ssh") as served:
        ours = _load(_order("ssh", _spread(served.places, sessions), **work))
        alone = _load(_order("ssh", served.places[:1], **work))
    peers = alone_peers = None
    if _has_peer():
        work["rounds"] = min(rounds, _PEER_ROUNDS)
        with _peer(devices) as served:
            peers = _load(_order("ssh", _spread(served.places, sessions), **work))
            alone_peers = _load(_order("ssh", served.places[:1], **work))
        work["rounds"] = rounds
    name = f"console.ssh.{sessions}_sessions"
    yield Record(
        name=f"{name}.commands",
        value=ours["commands_per_s"],
        unit="/s",
        reference=peers["commands_per_s"] if peers else None,
        target=5.0 if peers else None,
        more_is_better=True,
    )
    yield Record(
        name=f"{name}.p95",
        value=ours["p95_s"] * 1e3,
        unit="ms",
        reference=peers["p95_s"] * 1e3 if peers else None,
        target=0.25 if peers else None,
    )
    yield Record(
        name="console.ssh.one_command",
        value=alone["p50_s"] * 1e3,
        unit="ms",
        reference=alone_peers["p50_s"] * 1e3 if alone_peers else None,
    )
    with _ours(devices, "tcp") as served:
        places = _spread(served.places, min(sessions, devices * _CONSOLES_OF_A_DEVICE))
        many = _load(_order("tcp", places, **work))
        one = _load(_order("tcp", served.places[:1], **work))
    yield Record(
        name=f"console.tcp.{len(places)}_sessions.commands", value=many["commands_per_s"], unit="/s"
    )
    yield Record(name="console.tcp.one_command", value=one["p50_s"] * 1e3, unit="ms")


def _start_up(devices: int, peers: int) -> Iterator[Record]:
    with _ours(devices, "ssh") as served:
        seconds = served.start_s
    reference = None
    if _has_peer():
        with _peer(peers) as served:
            reference = served.start_s * devices / peers
    yield Record(
        name=f"console.start_up.{devices}_devices",
        value=seconds,
        unit="s",
        reference=reference,
        target=0.1 if reference else None,
    )


def _memory(kind: str, sessions: int, each: int, *, bound_kib: float) -> Iterator[Record]:
    with _ours(max(sessions // each, 1), kind) as served:
        # The first sessions load code and fill caches that all later ones share.
        _load(_order(kind, served.places))
        before = resident_kib(served.pid)
        with _client(_order(kind, _spread(served.places, sessions), hold=True)) as process:
            _answer(process.stdout)
            added = resident_kib(served.pid) - before
    yield Record(
        name=f"console.{kind}.idle_memory", value=added / sessions, unit="KiB", target=bound_kib
    )
