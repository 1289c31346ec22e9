"""Runs an emulated device in an event loop: the box, its key store, its state folder, its lines."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import ExitStack

from sceplab_devices.device import Device
from sceplab_devices.errors import DeviceError
from sceplab_devices.lines import Line, make_line
from sceplab_hsm.api import KeyStore
from sceplab_hsm.lab import ensure_lab_secret
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import secrets_from
from sceplab_hsm.serial import for_threads
from sceplab_hsm.software import CAPABILITIES
from sceplab_lab.clock import LabClock
from sceplab_lab.device_box import Surroundings, power_on
from sceplab_lab.device_plan import DevicePlan
from sceplab_lab.device_port import AgentPort
from sceplab_lab.folder_lock import hold_folder
from sceplab_lab.lazy_store import LazyKeyStore

__all__ = [
    "DevicePlan",
    "HostedDevice",
    "bind_lines",
    "close_lines",
    "host_device",
    "random_source",
    "start_device",
]

logger = logging.getLogger(__name__)


class HostedDevice:
    """A running device. Made by `start_device` or `host_device`, to be closed in the same loop.

    Args:
        plan: what it was started with; each reload starts it with that again.
        around: what outlives the box.
        lines: bound already.
        held: lock of the state folder.
    """

    def __init__(
        self, plan: DevicePlan, around: Surroundings, lines: Sequence[Line], held: ExitStack
    ) -> None:
        self.plan = plan
        self.lines = list(lines)
        self._around = around
        self._held = held
        self._box = power_on(plan, around)
        self._box.device.on_reload = self.reload
        self._reloading: asyncio.Task[None] | None = None

    @property
    def device(self) -> Device:
        """The box as operators see it; another one after a reload."""
        return self._box.device

    @property
    def port(self) -> AgentPort:
        """Its enrollment engine."""
        return self._box.port

    @property
    def is_restored(self) -> bool:
        """It came up with a configuration that was saved before."""
        return self._box.is_restored

    @property
    def remark(self) -> str:
        """Why the server of the plan is not used; empty: it is, or none was given."""
        return self._box.remark

    @property
    def store_uri(self) -> str:
        """URI of the key store, without secrets."""
        return self._around.store.uri

    async def serve(self) -> None:
        """Lets clients connect.

        Raises:
            EndpointError: another process was faster at a port.
        """
        for line in self.lines:
            await line.serve(self.device)

    def reload(self) -> None:
        """Has the box start anew, soon. What was not saved is gone, as after a restart.

        Keys, certificates and requests that wait at the CA are kept. Safe in a command handler:
        its output still reaches the terminal.
        """
        asyncio.get_running_loop().call_soon(self._begin_reload)

    async def settle(self) -> None:
        """Returns when the device has nothing to do at this moment, a reload included."""
        await asyncio.sleep(0)  # a reload that was ordered just now begins
        if self._reloading is not None:
            await self._reloading
        await self._box.settle()

    async def close(self) -> None:
        """Closes lines, timers, engine and key store."""
        if self._reloading is not None:
            await self._reloading
        for line in self.lines:
            await line.close()
        await self._box.power_off()
        self._around.store.close()
        self._held.close()

    def _begin_reload(self) -> None:
        if self._reloading is None:
            self._reloading = asyncio.create_task(self._reload(), name="reload")

    async def _reload(self) -> None:
        try:
            for line in self.lines:
                line.swap(None)
            await self._box.power_off()
            self._box = power_on(self.plan, self._around)
            self._box.device.on_reload = self.reload
            for line in self.lines:
                line.swap(self.device)
        except DeviceError as error:
            logger.error("%s does not come up again: %s", self.device.hostname, error)
        except Exception:
            logger.exception("%s does not come up again", self.device.hostname)
        finally:
            self._reloading = None


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
        DeviceError: what the state folder holds cannot be read, or the plan is wrong.
    """
    lines = await bind_lines(plan)
    try:
        hosted = host_device(plan, lines, clock=clock, pool=pool)
    except BaseException:
        await close_lines(lines)
        raise
    try:
        await hosted.serve()
    except BaseException:
        await hosted.close()
        raise
    return hosted


async def bind_lines(plan: DevicePlan) -> list[Line]:
    """Takes the ports of a device; nobody can connect yet.

    Raises:
        EndpointError: one cannot be had; none is taken.
        HostnameError: the platform has no such host names.
    """
    if plan.hostname:
        plan.profile.check_hostname(plan.hostname)
    keys_dir = plan.line_keys_dir or plan.state_dir
    lines = [make_line(endpoint, keys_dir=keys_dir) for endpoint in plan.consoles]
    try:
        for line in lines:
            await line.bind()
    except BaseException:
        await close_lines(lines)
        raise
    return lines


async def close_lines(lines: Sequence[Line]) -> None:
    """Gives the ports back."""
    for line in lines:
        await line.close()


def host_device(
    plan: DevicePlan, lines: Sequence[Line], *, clock: LabClock, pool: Executor
) -> HostedDevice:
    """A device that is on, behind lines that are not served yet. Raises as `start_device`."""
    with ExitStack() as undo:
        plan.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = undo.enter_context(ExitStack())
        held.enter_context(hold_folder(plan.state_dir))
        store = _open_keys(plan, clock)
        undo.callback(store.close)
        around = Surroundings(
            store=store, clock=clock, pool=pool, rng=random_source(plan.seed, plan.hostname)
        )
        hosted = HostedDevice(plan, around, lines, held)
        undo.pop_all()
    return hosted


def _open_keys(plan: DevicePlan, clock: LabClock) -> KeyStore:
    if plan.keys:
        secrets = secrets_from(plan.keys_secret or "prompt:")
        return for_threads(open_key_store(plan.keys, secrets, create=True, now=clock))
    folder = plan.state_dir / "keys"
    uri = f"soft:{folder.absolute()}?kdf=lab"

    def open_own() -> KeyStore:
        secret = ensure_lab_secret(plan.state_dir / "passphrase")
        return open_key_store(uri, secrets_from(secret), create=True, now=clock)

    if folder.exists():
        return open_own()
    return LazyKeyStore(uri, folder, capabilities=CAPABILITIES, open_store=open_own)


def random_source(seed: int | None, part: str) -> random.Random:
    """The system's randomness, or for a seeded lab something that repeats.

    Args:
        seed: of the lab; ``None``: real randomness.
        part: who draws; each part of a lab has a sequence of its own.
    """
    if seed is None:
        return random.SystemRandom()
    return random.Random(f"{part} {seed}")  # noqa: S311 - repeats on purpose
