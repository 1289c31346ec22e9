"""An emulated device's enrollment engine without a console; server and threads go as told."""

from __future__ import annotations

import queue
import random
import resource
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes

from sceplab_agent.drivers.virtual import VirtualClock
from sceplab_agent.transport import HttpResponse, HttpTransport
from sceplab_devices.api import PortEvent, TrustpointSettings, TrustpointView
from sceplab_hsm.api import KeyAlgorithm, KeyHandle
from sceplab_hsm.software import SoftwareKeyStore
from sceplab_lab.device_port import AgentPort
from sceplab_lab.memory_transport import MemoryTransport
from sceplab_lab.port_keybook import KeyBook, KeyNote
from sceplab_lab.worker import InlineWorker, Worker
from sceplab_ndes.state import ServerState
from sceplab_scep.algorithms import Floor
from tests.support.server import NOW, make_server
from tests.support.soft_stores import soft_store

URL = "http://ndes.example.test/certsrv/mscep/mscep.dll"
PATIENCE_S = 30.0
"""How long a test waits for a thread before it fails."""


class ThreadWorker:
    """A `Worker` whose jobs run in threads; what they report waits until the test takes it."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], None]] = queue.Queue()
        self._threads: list[threading.Thread] = []

    def run(self, job: Callable[[], None], then: Callable[[BaseException | None], None]) -> None:
        """See `Worker.run`."""

        def work() -> None:
            try:
                job()
            except Exception as error:
                failed = error
                self._calls.put(lambda: then(failed))
            else:
                self._calls.put(lambda: then(None))

        thread = threading.Thread(target=work, name="port-job", daemon=True)
        self._threads.append(thread)
        thread.start()

    def report(self, call: Callable[[], None]) -> None:
        """See `Worker.report`."""
        self._calls.put(call)

    def pump_until(self, is_enough: Callable[[], bool]) -> None:
        """Makes the reported calls, in the test's thread, until that holds."""
        while not is_enough():
            self._calls.get(timeout=PATIENCE_S)()

    def finish(self) -> None:
        """Makes reported calls until no job is left."""
        while self._threads or not self._calls.empty():
            while not self._calls.empty():
                self._calls.get()()
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if self._threads:
                self._threads[0].join(PATIENCE_S)
                assert not self._threads[0].is_alive(), "a job does not end"


class Gate:
    """Where a thread waits until the test lets it go on. Open until `hold`."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self._reached = threading.Event()

    def hold(self) -> None:
        """The next one who comes waits."""
        self._reached.clear()
        self._open.clear()

    def wait_for_somebody(self) -> None:
        """Returns when somebody waits here."""
        assert self._reached.wait(PATIENCE_S), "nobody came"

    def release(self) -> None:
        """Lets everybody pass."""
        self._open.set()

    def pass_through(self) -> None:
        """Passes, at once or when released."""
        if not self._open.is_set():
            self._reached.set()
            assert self._open.wait(PATIENCE_S), "nobody opened"


@dataclass
class TestedTransport:
    """A transport that fails as told, and keeps answers back at a gate.

    Attributes:
        held: part of the URLs or bodies whose next answer waits at the gate; once.
        failures: raised by the next requests that have ``failing`` in their URL, in this order.
    """

    __test__ = False

    inner: HttpTransport
    gate: Gate = field(default_factory=Gate)
    held: str = ""
    failing: str = "PKIOperation"
    failures: list[Exception] = field(default_factory=list)

    def hold(self, operation: str) -> None:
        """Keeps the next answer to that operation back."""
        self.held = operation
        self.gate.hold()

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
        if self.failures and self.failing in url:
            raise self.failures.pop(0)
        answer = self.inner.request(
            method, url, body=body, content_type=content_type, headers=headers
        )
        if self.held and self.held in url:
            self.held = ""
            self.gate.pass_through()
        return answer


class SlowStore:
    """A software store that makes keys when the test says; all else as it is."""

    def __init__(self, store: SoftwareKeyStore) -> None:
        self._store = store
        self.gate = Gate()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """See `KeyStore.generate`."""
        self.gate.pass_through()
        return self._store.generate(key_id, algorithm)


@dataclass(slots=True)
class PortBench:
    """A server, and a device's engine with key pair ``K``.

    Attributes:
        settings: of the server's profile, by section.
        in_threads: jobs run in threads; else at once.
        heard: every event of the port.
    """

    folder: Path
    profile: str = "ndes"
    settings: dict[str, Any] = field(default_factory=dict)
    in_threads: bool = False
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOW))
    heard: list[PortEvent] = field(default_factory=list)
    server: ServerState = field(init=False)
    store: SlowStore = field(init=False)
    transport: TestedTransport = field(init=False)
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    threads: ThreadWorker = field(default_factory=ThreadWorker)
    port: AgentPort = field(init=False)

    def __post_init__(self) -> None:
        """Starts both; no trustpoint is configured yet."""
        self.server = make_server(self.profile, settings=self.settings)
        self.store = SlowStore(soft_store(self.folder / "keys", now=self.clock))
        self.store.generate("K", KeyAlgorithm.RSA_2048)
        KeyBook(self.folder).put("K", KeyNote(label="K"))
        self.transport = TestedTransport(MemoryTransport(self.server.responder, self.clock))
        self.start()

    def start(self) -> None:
        """Starts the device, or starts it again on the same folder."""
        worker: Worker = self.threads if self.in_threads else InlineWorker()
        self.port = AgentPort(
            store=self.store,  # type: ignore[arg-type]
            transport=self.transport,
            worker=worker,
            clock=self.clock,
            rng=self.rng,
            state_dir=self.folder,
            floor=Floor.NDES,
        )
        self.port.subscribe(self.heard.append)

    def trustpoint(self, **changes: Any) -> TrustpointSettings:
        """Settings of trustpoint LAB."""
        root = self.server.hierarchy.root.certificate
        wanted: dict[str, Any] = {
            "name": "LAB",
            "url": URL,
            "pin_hex": root.fingerprint(hashes.SHA256()).hex(),
            "key_label": "K",
            "subject": "CN=r1.example.test",
        }
        return TrustpointSettings(**{**wanted, **changes})

    def authenticate(self, **changes: Any) -> None:
        """Configures LAB and has it trust the CA."""
        self.port.configure(self.trustpoint(**changes))
        self.port.authenticate("LAB")
        self.rest()

    def password(self) -> str:
        """A one-time password of the server."""
        issued = self.server.challenge.issue("admin", self.clock())
        assert issued is not None
        return issued.reveal()

    def enroll(self) -> None:
        """Starts an enrollment with a one-time password."""
        self.port.enroll("LAB", challenge=self.password())

    def rest(self) -> None:
        """Returns when nothing is under way."""
        if self.in_threads:
            self.threads.finish()

    def wait(self, **duration: float) -> int:
        """Lets time pass, deadline by deadline; how many there were."""
        ends = self.clock() + timedelta(**duration)
        served = 0
        while (deadline := self.port.next_deadline()) is not None and deadline <= ends:
            self.clock.move_to(max(deadline, self.clock()))
            self.port.tick()
            self.rest()
            served += 1
        self.clock.move_to(ends)
        return served

    def kinds(self) -> list[str]:
        """Kinds of the events since the last look."""
        kinds = [event.kind for event in self.heard]
        self.heard.clear()
        return kinds

    def labels(self) -> list[str]:
        """Labels of the device's key pairs."""
        views = self.port.keys()
        return [view.label for view in views]

    def key_names(self) -> list[str]:
        """Names of the keys in the store."""
        return [info.key_id for info in self.store.list_keys()]

    @property
    def view(self) -> TrustpointView:
        """How LAB stands."""
        return self.port.view("LAB")

    @property
    def place(self) -> Path:
        """Folder of LAB."""
        return self.folder / "trustpoints" / "LAB"

    def close(self) -> None:
        """Ends both."""
        self.transport.gate.release()
        self.store.gate.release()
        self.port.close()
        self.server.close()


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process grows meanwhile."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
