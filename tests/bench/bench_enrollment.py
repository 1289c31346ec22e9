"""CPU of one whole enrollment, both sides, held against the RSA floor.

``enrollment.memory``: agent session (state machine, journal in memory) and responder (depot in
memory) joined without a socket; GetCACaps and GetCACert included. ``enrollment.http``: the same
over loopback HTTP with journal and depot in SQLite files. ``renewal.cold``: the key store is opened
anew (cheap key derivation, as labs use it), its key unsealed and one renewal made with it.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from sceplab_agent.core.events import EnrollRequested, Event, RenewRequested
from sceplab_agent.core.policy import RenewalPolicy
from sceplab_agent.core.states import State
from sceplab_agent.exchange import run_exchange
from sceplab_agent.http_transport import StdlibTransport
from sceplab_agent.journal_sqlite import SqliteJournal
from sceplab_agent.transport import HttpResponse, HttpTransport
from tests.bench.measure import settled_heap
from tests.bench.record import Record
from tests.bench.registry import Effort, benchmark
from tests.bench.rsa_floor import client_floor, server_floor
from tests.support.pair import Pair
from tests.support.server import serve_in_thread
from tests.support.soft_stores import soft_store

_SETTINGS = {
    "challenge": {"mode": "none"},
    "transactions": {"known_key": "reissue"},
}
_POLICY = {"renewal": RenewalPolicy(new_key=False), "uses_challenge": False}
_WARM_UP_CALLS = 5
_TARGET = 1.5


class _Meter:
    """A transport that measures the CPU time spent behind it, as seen from this thread."""

    def __init__(self, inner: HttpTransport) -> None:
        self._inner = inner
        self.spent_s = 0.0

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`."""
        start = time.process_time()
        try:
            return self._inner.request(
                method, url, body=body, content_type=content_type, headers=headers
            )
        finally:
            self.spent_s += time.process_time() - start


def _run(pair: Pair, event: Event, transport: HttpTransport) -> None:
    run_exchange(pair.session.process(event), transport)
    assert pair.session.state is State.INSTALLED, pair.session.machine.failure


Sample = Callable[[], tuple[float, float]]
"""One enrollment; CPU seconds of client and server."""


def _shares(sample: Sample, effort: Effort) -> dict[str, float]:
    """Median CPU microseconds of both sides and their floors, measured by turns."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    floors = {"client floor": client_floor(key), "server floor": server_floor(key)}
    for _ in range(_WARM_UP_CALLS):
        sample()
        for floor in floors.values():
            floor()
    means: dict[str, list[float]] = {}
    with settled_heap():
        for _ in range(effort.rounds):
            spent = dict.fromkeys(("client", "server", *floors), 0.0)
            for _ in range(effort.repeats):
                client_s, server_s = sample()
                spent["client"] += client_s
                spent["server"] += server_s
                for name, floor in floors.items():
                    start = time.process_time()
                    floor()
                    spent[name] += time.process_time() - start
            for name, seconds in spent.items():
                means.setdefault(name, []).append(seconds / effort.repeats * 1e6)
    return {name: statistics.median(values) for name, values in means.items()}


def _records(name: str, times: dict[str, float], *sides: str, target: float | None) -> list[Record]:
    return [
        Record(
            name=f"{name}.{side}",
            value=times[side],
            unit="µs",
            reference=times[f"{side} floor"],
            target=target,
        )
        for side in sides
    ]


@benchmark
def enrollment_memory(effort: Effort) -> list[Record]:
    """State machine and responder without a socket."""
    pair = Pair(settings=_SETTINGS, policy=_POLICY)
    meter = _Meter(pair.transport)

    def sample() -> tuple[float, float]:
        meter.spent_s = 0.0
        start = time.process_time()
        _run(pair, EnrollRequested(), meter)
        total_s = time.process_time() - start
        return total_s - meter.spent_s, meter.spent_s

    times = _shares(sample, effort)
    return _records("enrollment.memory", times, "client", "server", target=None)


@benchmark
def enrollment_http(effort: Effort) -> list[Record]:
    """The same over loopback HTTP, everything durable in SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(settings=_SETTINGS, policy=_POLICY, depot_path=Path(folder) / "depot.sqlite")
        journal = SqliteJournal.create_or_open(Path(folder) / "journal.sqlite3")
        pair.journal = journal
        with serve_in_thread(pair.server, pair.clock) as server:
            pair.url = server.scep_url
            pair.session = pair.new_session()
            transport = StdlibTransport()
            run_exchange(pair.session.start(), transport)

            def sample() -> tuple[float, float]:
                client = time.thread_time()
                total = time.process_time()
                _run(pair, EnrollRequested(), transport)
                client_s = time.thread_time() - client
                return client_s, time.process_time() - total - client_s

            times = _shares(sample, effort)
        journal.close()
    return _records("enrollment.http", times, "client", "server", target=None)


@benchmark
def renewal_cold(effort: Effort) -> list[Record]:
    """A renewal by a process that has just started: store opened, key unsealed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "keys"
        soft_store(place).close()
        pair = Pair(settings=_SETTINGS, policy=_POLICY, key="", store=soft_store(place))
        _run(pair, EnrollRequested(), pair.transport)
        meter = _Meter(pair.transport)

        def sample() -> tuple[float, float]:
            meter.spent_s = 0.0
            start = time.process_time()
            pair.store.close()
            pair.store = soft_store(place, create=False)
            pair.seed += 1  # a transactionID of its own
            pair.session = pair.new_session()
            run_exchange(pair.session.start(), meter)
            _run(pair, RenewRequested(), meter)
            total_s = time.process_time() - start
            return total_s - meter.spent_s, meter.spent_s

        times = _shares(sample, effort)
        pair.store.close()
    return _records("renewal.cold", times, "client", target=None)
