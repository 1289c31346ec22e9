"""Agent and server in one thread, joined in memory, under a virtual clock.

Real keys, real CMS, the real journal interface; only the sockets are missing. A course of months
takes a fraction of a second and comes out the same for the same seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.core.commands import Notify
from sceplab_agent.core.policy import CaPin, EnrollmentPolicy, PinAlgorithm
from sceplab_agent.core.states import State
from sceplab_agent.drivers.virtual import VirtualClock, VirtualDriver
from sceplab_agent.executor import Surroundings
from sceplab_agent.install import MemoryInstaller
from sceplab_agent.journal import Journal, MemoryJournal
from sceplab_agent.observer import SilentObserver
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import HttpTransport
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.api import KeyStore
from sceplab_hsm.secret import Secret
from sceplab_lab.memory_transport import MemoryTransport
from sceplab_ndes.hierarchy import CaPlan
from sceplab_ndes.state import ServerState
from sceplab_scep.algorithms import Floor
from tests.support.server import NOW, make_server, shared_key, shared_keys

URL = "http://ndes.example.test/certsrv/mscep/mscep.dll"


class Diary(SilentObserver):
    """Keeps the states and notices of every trustpoint."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self.notices: list[Notify] = []

    def state_changed(self, trustpoint: str, old: State, new: State) -> None:
        """See `Observer.state_changed`."""
        self.states.append(new)

    def noticed(self, trustpoint: str, notice: Notify) -> None:
        """See `Observer.noticed`."""
        self.notices.append(notice)


def anchor_pin(server: ServerState) -> CaPin:
    """Pin of the server's root."""
    digest = server.hierarchy.root.certificate.fingerprint(hashes.SHA256())
    return CaPin(algorithm=PinAlgorithm.SHA256, digest=digest)


@dataclass(slots=True)
class Pair:
    """A server and one agent.

    Attributes:
        settings: of the server's profile, by section.
        policy: fields of the agent's policy that differ from the defaults.
        key: name of a key of this test run that the agent finds; empty: it makes its own.
    """

    profile: str = "compat"
    settings: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    floor: Floor = Floor.MODERN
    key: str = "device"
    seed: int = 1
    store: KeyStore = field(default_factory=shared_keys)
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOW))
    server: ServerState = field(init=False)
    journal: Journal = field(default_factory=MemoryJournal)
    installer: MemoryInstaller = field(default_factory=MemoryInstaller)
    diary: Diary = field(default_factory=Diary)
    challenge: Secret | None = None
    depot_path: Path | None = None
    plan: CaPlan = field(default_factory=CaPlan)
    url: str = URL
    transport: HttpTransport = field(init=False)
    driver: VirtualDriver = field(init=False)
    session: EnrollmentSession = field(init=False)

    def __post_init__(self) -> None:
        """Makes the server and starts the agent, which does nothing yet."""
        draw = random.Random(self.seed)
        self.server = make_server(
            self.profile,
            settings=self.settings,
            random_bytes=draw.randbytes,
            now=self.clock(),
            depot_path=self.depot_path,
            plan=self.plan,
        )
        self.transport = MemoryTransport(self.server.responder, self.clock)
        self.driver = VirtualDriver(self.clock)
        if self.key:
            shared_key(self.key)
        self.session = self.new_session()
        self.driver.add(self.session, self.transport)

    def new_session(self, **policy: Any) -> EnrollmentSession:
        """The agent as a new process would make it, from the same journal."""
        draw = random.Random(self.seed + 1)
        return EnrollmentSession(
            self.config(**policy),
            Surroundings(
                store=self.store,
                journal=self.journal,
                installer=self.installer,
                challenge=ChallengeSource(lambda: self.challenge or Secret("")),
                random_bytes=draw.randbytes,
                clock=self.clock,
                observer=self.diary,
            ),
            rng=draw,
            new_transaction_id=lambda: draw.randbytes(16).hex().upper(),
        )

    def config(self, **policy: Any) -> TrustpointConfig:
        """The agent's trustpoint."""
        wanted = EnrollmentPolicy(
            name="lab", pin=anchor_pin(self.server), floor=self.floor, key_id=self.key
        )
        wanted = replace(wanted, owns_key=not self.key, **{**self.policy, **policy})
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "router1.example.test")])
        return TrustpointConfig(
            name="lab",
            url=self.url,
            subject=subject,
            dns_names=("router1.example.test",),
            policy=wanted,
        )

    def fetch_password(self) -> Secret:
        """A one-time password, as the admin page would show it."""
        password = self.server.challenge.issue("admin", self.clock())
        assert password is not None, "the password cache is full"
        self.challenge = password
        return password

    def approve_all(self) -> None:
        """The administrator approves everything that waits."""
        for request in self.server.administration.pending():
            self.server.administration.approve(request.request_id, self.clock())

    def pass_time(self, **duration: float) -> int:
        """Lets time pass (as ``timedelta`` takes it); how many deadlines were served."""
        return self.driver.run_for(timedelta(**duration))

    @property
    def certificate(self) -> x509.Certificate:
        """The active certificate."""
        active = self.session.machine.active
        assert active is not None
        return x509.load_der_x509_certificate(active.certificate_der)
