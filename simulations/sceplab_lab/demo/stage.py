"""What the demo is played on: an NDES and a router on loopback ports, under one clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sceplab_agent.core.states import State
from sceplab_devices.profile import open_profile
from sceplab_hsm.api import KeyStore
from sceplab_hsm.lab import ensure_lab_secret
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret, resolve_secret
from sceplab_lab.clock import SEEDED_START, LabClock
from sceplab_lab.device_host import DevicePlan, HostedDevice, random_source, start_device
from sceplab_ndes.access import AdminUser
from sceplab_ndes.events import ServerEvent
from sceplab_ndes.profiles import load_profile
from sceplab_ndes.server import NdesHttpServer
from sceplab_ndes.settings import ServerProfile
from sceplab_ndes.state import ServerState, create_server_state

ADMIN = "admin"
TWO_YEARS_DAYS = 730
_THREADS = 4


@dataclass(slots=True)
class Log:
    """What server and agent reported since the screen was last brought up to date.

    Filled from their threads; appending is atomic.
    """

    events: list[ServerEvent] = field(default_factory=list)
    moves: list[tuple[str, State, State]] = field(default_factory=list)

    def moved(self, trustpoint: str, old: State, new: State) -> None:
        """An enrollment changed its state."""
        self.moves.append((trustpoint, old, new))

    def take_events(self) -> list[ServerEvent]:
        """Server events, oldest first; they are gone from the log."""
        taken, self.events[:] = list(self.events), []
        return taken

    def take_moves(self) -> list[tuple[str, State, State]]:
        """Changes of state, oldest first; they are gone from the log."""
        taken, self.moves[:] = list(self.moves), []
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that runs."""

    clock: LabClock
    server: NdesHttpServer
    ndes: ServerState
    router: HostedDevice
    log: Log
    folder: Path
    admin_password: Secret
    now: Callable[[], datetime]


@asynccontextmanager
async def set_stage(folder: Path, *, seed: int | None, hostname: str) -> AsyncIterator[Stage]:
    """Starts server and router; ends both.

    Args:
        folder: gets ``ndes/`` and ``router/``.
        seed: the clock then stands at a fixed moment until it is moved, and what is drawn by
            chance repeats; keys never do.
        hostname: of the router.
    """
    clock = LabClock() if seed is None else LabClock(SEEDED_START, runs=False)
    log = Log()
    plan = DevicePlan(
        profile=open_profile("cisco-ios"),
        hostname=hostname,
        consoles=("telnet:127.0.0.1:0",),
        state_dir=folder / "router",
        seed=seed,
        moved=log.moved,
    )
    async with _serving(folder / "ndes", clock, log, seed=seed) as (server, ndes, password):
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="router") as pool:
            router = await start_device(plan, clock=clock, pool=pool)
            try:
                yield Stage(
                    clock=clock,
                    server=server,
                    ndes=ndes,
                    router=router,
                    log=log,
                    folder=folder,
                    admin_password=password,
                    now=clock,
                )
            finally:
                await router.close()


@asynccontextmanager
async def _serving(
    folder: Path, clock: LabClock, log: Log, *, seed: int | None
) -> AsyncIterator[tuple[NdesHttpServer, ServerState, Secret]]:
    """A server that listens, and the password of its admin page."""
    store, password = _furnish(folder, clock)
    try:
        ndes = create_server_state(
            key_store=store,
            now=clock(),
            profile=_rules(),
            depot_path=folder / "depot.sqlite",
            users=[AdminUser(name=ADMIN, password=password)],
            events=log.events.append,
            random_bytes=random_source(seed, "ndes").randbytes,
        )
        server = NdesHttpServer(ndes.responder, clock=clock)
        try:
            await server.start()
            ndes.publish_at(server.base_url)
            yield server, ndes, password
        finally:
            await server.stop()
            ndes.close()
    finally:
        store.close()


def _rules() -> ServerProfile:
    """An NDES whose operator approves first enrollments; certificates last two years."""
    rules = load_profile("ndes")
    changes = {
        "approval": "manual",
        "renewal_approval": "auto",
        "validity_days": TWO_YEARS_DAYS,
    }
    return rules.model_copy(update={"template": rules.template.model_copy(update=changes)})


def _furnish(folder: Path, clock: LabClock) -> tuple[KeyStore, Secret]:
    """Makes the server's folder; its key store, and the password of its admin page."""
    folder.mkdir(mode=0o700)
    secret = ensure_lab_secret(folder / "passphrase")
    store = open_key_store(
        f"soft:{(folder / 'keys').absolute()}?kdf=lab",
        lambda prompt: resolve_secret(secret, prompt=prompt),
        create=True,
        now=clock,
    )
    return store, resolve_secret(ensure_lab_secret(folder / "admin-password"))
