"""What `sceplab device serve -i RACK` does: all devices of a rack, until a signal ends them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sceplab_agent.journal_file import OPEN_FILES
from sceplab_devices.errors import DeviceError
from sceplab_devices.lines import Line, raise_file_limit
from sceplab_hsm.errors import KeyStoreError
from sceplab_lab.clock import LabClock
from sceplab_lab.device_host import HostedDevice, bind_lines, close_lines, host_device
from sceplab_lab.device_plan import DevicePlan
from sceplab_lab.device_service import (
    client_commands,
    facts_of,
    report,
    state_folder,
    stop_signals,
    warn_of,
)
from sceplab_lab.errors import LabError
from sceplab_lab.lab_trustpoint import lab_hint
from sceplab_lab.rack import Rack, RackDevice, load_rack
from sceplab_lab.rack_errors import RackError
from sceplab_lab.rack_model import ServerSettings
from sceplab_lab.rack_plan import SERVER_FOLDER, RackPlanner
from sceplab_lab.rack_server import server_config, serving

_THREADS = 16
"""Most wait for a server or a disk; cryptography has as many processors as there are."""
_DESCRIPTORS_OF_A_DEVICE = 2 + OPEN_FILES
"""State folder's lock, a session, one trustpoint's journal; lines come on top."""
_SHOWN = 10
_STEP = 50
"""Devices between two words about the progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RackService:
    """Options of the command."""

    rack: Path
    only: tuple[str, ...] = ()
    state: Path | None = None
    """Instead of the file's."""
    as_json: bool = False


@dataclass(slots=True, kw_only=True)
class RunningRack:
    """A rack whose devices can be reached.

    Attributes:
        rack: the file.
        devices: by name, in the order of the file.
        server: what programs are told of the rack's own server; empty: it has none.
    """

    rack: Rack
    devices: dict[str, HostedDevice] = field(default_factory=dict)
    server: dict[str, object] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """What programs are told."""
        return {
            "event": "ready",
            "pid": os.getpid(),
            "rack": str(self.rack.source),
            "server": self.server or None,
            "devices": [
                {"name": name, **facts_of(hosted)} for name, hosted in self.devices.items()
            ],
        }


def run_rack_service(options: RackService) -> int:
    """Runs the rack until SIGINT or SIGTERM; the exit code."""
    with report() as outcome:
        rack = load_rack(options.rack).only(options.only)
        with state_folder(options.state or rack.state) as state:
            planner = RackPlanner(rack, state)
            planner.check()
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            asyncio.run(_serve(options, rack, planner, state))
    return outcome.code


async def _serve(options: RackService, rack: Rack, planner: RackPlanner, state: Path) -> None:
    stop = stop_signals()
    async with running_rack(rack, planner, state, progress=_progress) as running:
        for name, hosted in running.devices.items():
            warn_of(hosted, name=name)
        if options.as_json:
            print(json.dumps(running.facts()), flush=True)
        else:
            _announce(running, state)
        await stop.wait()


@asynccontextmanager
async def running_rack(
    rack: Rack,
    planner: RackPlanner,
    state: Path,
    *,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> AsyncIterator[RunningRack]:
    """The rack runs, with its server if it has one; all is closed at the end.

    All ports are taken before the first device is made.

    Args:
        rack: passed `RackPlanner.check`.
        planner: of it.
        state: folder for its devices and its server.
        progress: told how many of how many devices are up.

    Raises:
        RackError: a device cannot be started; it is named, and nothing is left running.
        ConfigError: the server's settings are wrong.
        NdesError: the server cannot be started.
        KeyStoreError: nor its keys.
    """
    clock = LabClock()
    running = RunningRack(rack=rack)
    _make_room(rack)
    async with AsyncExitStack() as stack:
        if isinstance(rack.server, ServerSettings):
            config = server_config(rack.server, rack.source.parent)
            server = serving(config, state / SERVER_FOLDER, clock)
            running.server = await stack.enter_async_context(server)
        url = str(running.server.get("scep_url", ""))
        plans = {device: planner.plan(device, url) for device in rack.devices}
        pool = stack.enter_context(ThreadPoolExecutor(_THREADS, thread_name_prefix="rack"))
        stack.push_async_callback(_close_all, running)
        lines = await _bind_all(rack, plans)
        await _start_all(running, plans, lines, clock=clock, pool=pool, progress=progress)
        yield running


def _make_room(rack: Rack) -> None:
    lines = sum(len(device.endpoints) for device in rack.devices)
    needed = lines + _DESCRIPTORS_OF_A_DEVICE * len(rack.devices)
    raise_file_limit(needed + OPEN_FILES * len(rack.devices))  # a second trustpoint each, if it can
    missing = raise_file_limit(needed)
    if missing:
        raise RackError(missing, source=str(rack.source))


async def _bind_all(
    rack: Rack, plans: dict[RackDevice, DevicePlan]
) -> dict[RackDevice, Sequence[Line]]:
    bound: dict[RackDevice, Sequence[Line]] = {}
    try:
        for device, plan in plans.items():
            with _named(rack, device):
                bound[device] = await bind_lines(plan)
    except BaseException:
        for lines in bound.values():
            await close_lines(lines)
        raise
    return bound


async def _start_all(
    running: RunningRack,
    plans: dict[RackDevice, DevicePlan],
    bound: dict[RackDevice, Sequence[Line]],
    *,
    clock: LabClock,
    pool: ThreadPoolExecutor,
    progress: Callable[[int, int], None],
) -> None:
    waiting = dict(bound)
    try:
        for number, (device, plan) in enumerate(plans.items(), 1):
            with _named(running.rack, device):
                hosted = host_device(plan, bound[device], clock=clock, pool=pool)
                running.devices[device.name] = hosted
                del waiting[device]
                await hosted.serve()
            if number % _STEP == 0 or number == len(plans):
                progress(number, len(plans))
                await asyncio.sleep(0)  # clients of the first devices are served meanwhile
    except BaseException:
        for lines in waiting.values():
            await close_lines(lines)
        raise


async def _close_all(running: RunningRack) -> None:
    await asyncio.gather(*(hosted.close() for hosted in running.devices.values()))


@contextmanager
def _named(rack: Rack, device: RackDevice) -> Iterator[None]:
    """Gives an error about a device its name and its place in the file."""
    try:
        yield
    except RackError:
        raise
    except (DeviceError, LabError, KeyStoreError) as error:
        raise rack.wrong(device, error) from error
    except OSError as error:
        raise rack.wrong(device, f"{error.filename or 'files'}: {error.strerror}") from error


def _progress(done: int, wanted: int) -> None:
    if wanted > _STEP and sys.stderr.isatty():
        end = "\n" if done == wanted else ""
        print(f"\r{done} of {wanted} devices are up", end=end, file=sys.stderr, flush=True)


def _announce(running: RunningRack, state: Path) -> None:
    print(f"{len(running.devices)} devices are up; their files are in {state}")
    if running.server:
        print("  {profile} server at {scep_url}".format(**running.server))
        print(
            "  its passwords at {admin_url}, user {admin_user}, {admin_password}".format(
                **running.server
            )
        )
        print("  its CA has SHA-256 {ca_sha256}".format(**running.server))
    for number, (name, hosted) in enumerate(running.devices.items()):
        if number == _SHOWN:
            left = len(running.devices) - _SHOWN
            print(f"  … and {left} more: --json tells all, 'sceplab inventory' writes them down")
            break
        for text in client_commands(hosted):
            print(f"  {name:<12} {hosted.device.profile.name:<18} {text}")
        for typed in lab_hint(hosted.device, hosted.plan.server):
            print(f"  {'':<12} type first: {typed}")
    print("Ctrl-C ends them.", flush=True)
