"""Runs an emulated device in an event loop: device, enrollment engine, timers and lines."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sceplab_agent.core.states import State
from sceplab_agent.http_transport import StdlibTransport
from sceplab_devices.device import Device
from sceplab_devices.lines import LineServer, parse_endpoint
from sceplab_devices.profile import DeviceProfile
from sceplab_hsm.api import KeyStore
from sceplab_hsm.lab import ensure_lab_secret
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import secrets_from
from sceplab_hsm.serial import for_threads
from sceplab_lab.alarm import Alarm
from sceplab_lab.clock import LabClock
from sceplab_lab.device_port import AgentPort, ignore_move
from sceplab_lab.folder_lock import hold_folder
from sceplab_lab.startup_config import StartupConfig
from sceplab_lab.worker import LoopWorker
from sceplab_scep.algorithms import Floor


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """What a device is started with."""

    profile: DeviceProfile
    hostname: str = ""
    """Empty: the profile's own."""
    consoles: Sequence[str] = ()
    """Endpoints, for example ``telnet:127.0.0.1:0``."""
    state_dir: Path
    """Journals, certificates and saved configuration of this device; its keys too unless ``keys``
    says otherwise."""
    keys: str = ""
    """URI of the key store; empty: a software store in the state folder."""
    keys_secret: str = ""
    """Reference to the store's passphrase or PIN, for example ``file:/path``; empty: it is asked
    for."""
    enable_password: str = ""
    """Asked by ``enable``; empty: it asks nothing."""
    floor: Floor = Floor.NDES
    """Weakest algorithms it accepts."""
    seed: int | None = None
    """Makes nonces and transactionIDs repeat; keys never do."""
    moved: Callable[[str, State, State], None] = field(default=ignore_move)
    """Told of every change of state, in a worker thread."""


class HostedDevice:
    """A running device. Made by `start_device`, to be closed in the same loop."""

    def __init__(
        self,
        *,
        device: Device,
        port: AgentPort,
        store: KeyStore,
        alarm: Alarm,
        lines: list[LineServer],
        transport: StdlibTransport,
        lock: ExitStack,
    ) -> None:
        self.device = device
        self.port = port
        self.lines = lines
        self.is_restored = False
        """It came up with a configuration that was saved before."""
        self._store = store
        self._alarm = alarm
        self._transport = transport
        self._lock = lock

    @property
    def store_uri(self) -> str:
        """URI of the key store, without secrets."""
        return self._store.uri

    async def settle(self) -> None:
        """Returns when the device has nothing to do at this moment."""
        while self._alarm.is_due() or self.port.is_busy:
            await self._alarm.wait_for_change()

    async def close(self) -> None:
        """Closes lines, timers, engine and key store."""
        self._alarm.close()
        for line in self.lines:
            await line.close()
        self._transport.close()  # a server that hangs keeps nobody waiting
        while self.port.is_busy:
            await self._alarm.wait_for_change()
        self.port.close()
        self._store.close()
        self._lock.close()


async def start_device(plan: DevicePlan, *, clock: LabClock, pool: Executor) -> HostedDevice:
    """Starts a device and opens its consoles.

    The ports are taken first: when one cannot be had, nothing was made.

    Args:
        plan: what it is.
        clock: its time.
        pool: where its cryptography and HTTP run.

    Raises:
        EndpointError: a console cannot be opened; nothing is left running.
        HostnameError: its platform has no such host names.
        FolderInUseError: another device works in the state folder.
        KeyStoreError: the key store cannot be opened.
        DeviceError: what the state folder holds cannot be read.
    """
    if plan.hostname:
        plan.profile.check_hostname(plan.hostname)
    lines = [LineServer(parse_endpoint(endpoint)) for endpoint in plan.consoles]
    try:
        for line in lines:
            await line.bind()
        hosted = _build(plan, lines, clock=clock, pool=pool)
    except BaseException:
        for line in lines:
            await line.close()
        raise
    try:
        for line in lines:
            await line.serve(hosted.device)
    except BaseException:
        await hosted.close()
        raise
    return hosted


def _build(
    plan: DevicePlan, lines: list[LineServer], *, clock: LabClock, pool: Executor
) -> HostedDevice:
    """Everything of a device but its lines."""
    with ExitStack() as undo:
        plan.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = undo.enter_context(ExitStack())
        lock.enter_context(hold_folder(plan.state_dir))
        startup = StartupConfig(plan.state_dir)
        saved = startup.load()
        store = _open_keys(plan, clock)
        undo.callback(store.close)
        transport = StdlibTransport()
        undo.callback(transport.close)
        port = AgentPort(
            store=store,
            transport=transport,
            worker=LoopWorker(pool),
            clock=clock,
            rng=random_source(plan.seed, plan.hostname),
            state_dir=plan.state_dir,
            floor=plan.floor,
            moved=plan.moved,
        )
        undo.callback(port.close)
        port.keys()  # the first listing is waited for: here, where no console is open yet
        device = plan.profile.new_device(
            port=port, clock=clock, hostname=plan.hostname, enable_password=plan.enable_password
        )
        hosted = HostedDevice(
            device=device,
            port=port,
            store=store,
            alarm=Alarm(clock, port, device),
            lines=lines,
            transport=transport,
            lock=lock,
        )
        device.restore(saved)
        device.on_save = startup.save
        hosted.is_restored = bool(saved)
        undo.pop_all()
    return hosted


def _open_keys(plan: DevicePlan, clock: LabClock) -> KeyStore:
    uri, secret = plan.keys, plan.keys_secret or "prompt:"
    if not uri:
        uri = f"soft:{(plan.state_dir / 'keys').absolute()}?kdf=lab"
        secret = ensure_lab_secret(plan.state_dir / "passphrase")
    return for_threads(open_key_store(uri, secrets_from(secret), create=True, now=clock))


def random_source(seed: int | None, part: str) -> random.Random:
    """The system's randomness, or for a seeded lab something that repeats.

    Args:
        seed: of the lab; ``None``: real randomness.
        part: who draws; each part of a lab has a sequence of its own.
    """
    if seed is None:
        return random.SystemRandom()
    return random.Random(f"{part} {seed}")  # noqa: S311 - repeats on purpose
