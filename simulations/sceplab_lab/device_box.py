"""One life of a device, from power on to power off: its engine, its face and its timer.

What lasts longer (key store, state folder, lines) belongs to whoever hosts the device.
"""

from __future__ import annotations

import logging
import random
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass

from sceplab_agent.http_transport import StdlibTransport
from sceplab_devices.device import Device
from sceplab_devices.errors import DeviceError
from sceplab_hsm.api import KeyStore
from sceplab_lab.alarm import Alarm
from sceplab_lab.clock import LabClock
from sceplab_lab.device_plan import DevicePlan
from sceplab_lab.device_port import AgentPort
from sceplab_lab.lab_trustpoint import prepare_trustpoint
from sceplab_lab.startup_config import StartupConfig
from sceplab_lab.worker import LoopWorker

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What outlives a box.

    Attributes:
        store: its keys.
        clock: its time.
        pool: where its cryptography and HTTP run.
        rng: of nonces and transactionIDs; goes on where it was, so that none repeats.
    """

    store: KeyStore
    clock: LabClock
    pool: Executor
    rng: random.Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A device that is on. Made by `power_on`, in the loop of `power_off`.

    Attributes:
        is_restored: it came up with a configuration that was saved before.
        remark: why the server of the plan is not used; empty: it is, or none was given.
    """

    device: Device
    port: AgentPort
    alarm: Alarm
    transport: StdlibTransport
    is_restored: bool
    remark: str

    async def settle(self) -> None:
        """Returns when the device has nothing to do at this moment."""
        while self.alarm.is_due() or self.port.is_busy:
            await self.alarm.wait_for_change()

    async def power_off(self) -> None:
        """Ends sessions, timers and engine. What was obtained or is pending stays in its files."""
        self.alarm.close()
        for console in tuple(self.device.consoles):
            console.disconnect()
        self.transport.close()  # a server that hangs keeps nobody waiting
        while self.port.is_busy:
            await self.alarm.wait_for_change()
        self.port.close()


def power_on(plan: DevicePlan, around: Surroundings) -> Box:
    """A device comes up with its saved configuration, and goes on with what it was enrolling.

    Raises:
        DeviceError: the saved files cannot be read, an option's value is wrong, or the server
            cannot be configured.
        HostnameError: its platform has no such host names.
    """
    startup = StartupConfig(plan.state_dir)
    saved = startup.load()
    with ExitStack() as undo:
        transport = StdlibTransport()
        undo.callback(transport.close)
        port = AgentPort(
            store=around.store,
            transport=transport,
            worker=LoopWorker(around.pool),
            clock=around.clock,
            rng=around.rng,
            state_dir=plan.state_dir,
            floor=plan.floor,
            moved=plan.moved,
        )
        undo.callback(port.close)
        port.keys()  # the first listing is waited for: here, where no console is open yet
        device = _new_device(plan, port, around.clock)
        alarm = Alarm(around.clock, port, device)
        undo.callback(alarm.close)
        device.restore(saved)
        device.on_save = startup.save
        remark = _tell_server(plan, device, is_restored=bool(saved))
        undo.pop_all()
    return Box(
        device=device,
        port=port,
        alarm=alarm,
        transport=transport,
        is_restored=bool(saved),
        remark=remark,
    )


def _tell_server(plan: DevicePlan, device: Device, *, is_restored: bool) -> str:
    """Configures the server of the plan, now or when the first session opens."""
    if not plan.server:
        return ""
    if plan.is_server_known or is_restored:
        return prepare_trustpoint(device, plan.server)

    def prepare() -> None:
        device.on_session = lambda: None
        try:
            prepare_trustpoint(device, plan.server)
        except DeviceError as error:
            logger.error("%s: %s", device.hostname, error)

    device.on_session = prepare
    return ""


def _new_device(plan: DevicePlan, port: AgentPort, clock: LabClock) -> Device:
    try:
        return plan.profile.new_device(
            port=port,
            clock=clock,
            hostname=plan.hostname,
            users=dict(plan.users),
            enable_password=plan.enable_password,
            **plan.options,
        )
    except ValueError as error:  # of a platform that looks at its options itself
        raise DeviceError(str(error)) from error
