"""What `sceplab device serve` does: one device, until a signal ends it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sceplab_agent.exit_codes import ExitCode
from sceplab_devices.errors import DeviceError, ProfileError
from sceplab_devices.profile import open_profile
from sceplab_hsm.errors import KeyStoreError
from sceplab_lab.clock import LabClock
from sceplab_lab.device_host import DevicePlan, HostedDevice, start_device
from sceplab_scep.algorithms import Floor

_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceService:
    """Options of the command."""

    profile: str
    consoles: tuple[str, ...]
    server: str = ""
    hostname: str = ""
    state: Path | None = None
    floor: str = "ndes"
    as_json: bool = False


def run_device_service(options: DeviceService) -> int:
    """Runs the device until SIGINT or SIGTERM; the exit code."""
    try:
        floor = Floor(options.floor)
    except ValueError:
        known = ", ".join(floor.value for floor in Floor)
        return _fail(ExitCode.CONFIGURATION, f"no floor '{options.floor}'; known: {known}")
    try:
        with ExitStack() as cleanup:
            state = options.state
            if state is None:
                folder = tempfile.TemporaryDirectory(prefix="sceplab-device-")
                state = Path(cleanup.enter_context(folder))
            asyncio.run(_serve(options, state, floor))
    except DeviceError as error:
        return _fail(ExitCode.CONFIGURATION, str(error))
    except KeyStoreError as error:
        return _fail(ExitCode.KEY_STORE, str(error))
    except OSError as error:
        return _fail(
            ExitCode.CONFIGURATION, f"{error.filename or 'state folder'}: {error.strerror}"
        )
    return ExitCode.OK


async def _serve(options: DeviceService, state: Path, floor: Floor) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="device") as pool:
        hosted = await start_device(
            DevicePlan(
                profile=open_profile(options.profile),
                hostname=options.hostname,
                consoles=options.consoles,
                state_dir=state,
                floor=floor,
            ),
            clock=LabClock(),
            pool=pool,
        )
        try:
            if options.server:
                _prepare_trustpoint(hosted, options.server)
            _announce(options, hosted, state)
            await stop.wait()
        finally:
            await hosted.close()


def _prepare_trustpoint(hosted: HostedDevice, url: str) -> None:
    """Types the profile's lines for a first trustpoint at a console nobody sees.

    Raises:
        DeviceError: the profile has none.
    """
    device = hosted.device
    lines = device.profile.data.get("lab_trustpoint")
    if lines is None:
        raise ProfileError(device.profile.name, "has no lines for --server", place="data")
    console = device.open_console()
    console.open()
    console.receive(b"\r")
    for line in lines:
        console.receive(line.format(url=url, hostname=device.hostname).encode() + b"\r")
    console.disconnect()


def _announce(options: DeviceService, hosted: HostedDevice, state: Path) -> None:
    endpoints = [line.endpoint for line in hosted.lines]
    if options.as_json:
        ready = {
            "hostname": hosted.device.hostname,
            "profile": options.profile,
            "consoles": [str(endpoint) for endpoint in endpoints],
            "state": str(state),
        }
        print(json.dumps(ready), flush=True)
        return
    device = hosted.device
    print(f"{device.hostname} ({device.profile.title}) is up; its files are in {state}")
    for endpoint in endpoints:
        print(f"  telnet {endpoint.host} {endpoint.port}")
    if options.server:
        print(f"  trustpoint LAB enrolls at {options.server}")
    print("Ctrl-C ends it.", flush=True)


def _fail(code: ExitCode, text: str) -> int:
    print(f"sceplab device: {text}", file=sys.stderr)
    return code
