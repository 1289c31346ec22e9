"""Runs an emulated device in an event loop: device, enrollment engine, timers and lines."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from sceplab_agent.core.states import State
from sceplab_agent.http_transport import StdlibTransport
from sceplab_devices.device import Device
from sceplab_devices.lines import LineServer, serve
from sceplab_devices.profile import DeviceProfile
from sceplab_hsm.api import KeyStore
from sceplab_hsm.lab import ensure_lab_secret
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import resolve_secret
from sceplab_lab.alarm import Alarm
from sceplab_lab.clock import LabClock
from sceplab_lab.device_port import AgentPort, ignore_move
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
    """Keys, journals and certificates of this device."""
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
    ) -> None:
        self.device = device
        self.port = port
        self.lines = lines
        self._store = store
        self._alarm = alarm
        self._transport = transport

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


async def start_device(plan: DevicePlan, *, clock: LabClock, pool: Executor) -> HostedDevice:
    """Starts a device and opens its consoles.

    Args:
        plan: what it is.
        clock: its time.
        pool: where its cryptography and HTTP run.

    Raises:
        EndpointError: a console cannot be opened; nothing is left running.
        KeyStoreError: the state folder's key store cannot be opened.
    """
    plan.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = ensure_lab_secret(plan.state_dir / "passphrase")
    store = open_key_store(
        f"soft:{(plan.state_dir / 'keys').absolute()}?kdf=lab",
        lambda prompt: resolve_secret(secret, prompt=prompt),
        create=True,
        now=clock,
    )
    transport = StdlibTransport()
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
    device = plan.profile.new_device(
        port=port, clock=clock, hostname=plan.hostname, enable_password=plan.enable_password
    )
    alarm = Alarm(clock, port, device)
    lines: list[LineServer] = []
    hosted = HostedDevice(
        device=device, port=port, store=store, alarm=alarm, lines=lines, transport=transport
    )
    try:
        for endpoint in plan.consoles:
            lines.append(await serve(device, endpoint))
    except BaseException:
        await hosted.close()
        raise
    return hosted


def random_source(seed: int | None, part: str) -> random.Random:
    """The system's randomness, or for a seeded lab something that repeats.

    Args:
        seed: of the lab; ``None``: real randomness.
        part: who draws; each part of a lab has a sequence of its own.
    """
    if seed is None:
        return random.SystemRandom()
    return random.Random(f"{part} {seed}")  # noqa: S311 - repeats on purpose
