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
from urllib.parse import urlsplit

from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.url import UrlError, split_url
from sceplab_devices.batch import carry_out
from sceplab_devices.errors import DeviceError, ProfileError
from sceplab_devices.profile import open_profile
from sceplab_hsm.errors import KeyStoreError
from sceplab_lab.clock import LabClock
from sceplab_lab.device_host import DevicePlan, HostedDevice, start_device
from sceplab_lab.errors import FolderInUseError
from sceplab_scep.algorithms import Floor

TRUSTPOINT = "LAB"
"""What `--server` configures."""
_THREADS = 4
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceService:
    """Options of the command."""

    profile: str
    consoles: tuple[str, ...]
    server: str = ""
    hostname: str = ""
    state: Path | None = None
    keys: str = ""
    keys_secret: str = ""
    floor: str = "ndes"
    as_json: bool = False


def run_device_service(options: DeviceService) -> int:
    """Runs the device until SIGINT or SIGTERM; the exit code."""
    try:
        floor = _checked_floor(options)
        with ExitStack() as cleanup:
            state = options.state
            if state is None:
                folder = tempfile.TemporaryDirectory(prefix="sceplab-device-")
                state = Path(cleanup.enter_context(folder))
            asyncio.run(_serve(options, state, floor))
    except (DeviceError, FolderInUseError) as error:
        return _fail(ExitCode.CONFIGURATION, str(error))
    except KeyStoreError as error:
        return _fail(ExitCode.KEY_STORE, str(error))
    except OSError as error:
        return _fail(
            ExitCode.CONFIGURATION, f"{error.filename or 'state folder'}: {error.strerror}"
        )
    return ExitCode.OK


def _checked_floor(options: DeviceService) -> Floor:
    """The floor, with every option that needs no device looked at.

    Raises:
        DeviceError: an option cannot be meant so.
    """
    if options.server:
        try:
            split_url(options.server)
        except UrlError as error:
            raise DeviceError(f"--server: {error}") from error
    if options.keys_secret and not options.keys:
        raise DeviceError("--keys-secret belongs to --keys; the device's own store has a secret")
    try:
        return Floor(options.floor)
    except ValueError as error:
        known = ", ".join(floor.value for floor in Floor)
        raise DeviceError(f"no floor '{options.floor}'; known: {known}") from error


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
                keys=options.keys,
                keys_secret=options.keys_secret,
                floor=floor,
            ),
            clock=LabClock(),
            pool=pool,
        )
        try:
            if options.server:
                prepare_trustpoint(hosted, options.server)
            _warn_of_strangers(hosted)
            _announce(options, hosted, state)
            await stop.wait()
        finally:
            await hosted.close()


def prepare_trustpoint(hosted: HostedDevice, url: str) -> None:
    """Configures the profile's lines for a first trustpoint, unless one is there already.

    A device that came up with a saved configuration keeps what that says.

    Raises:
        DeviceError: the profile has no such lines, or they do not lead to this URL.
    """
    device = hosted.device
    lines = device.profile.data.get("lab_trustpoint")
    if lines is None:
        raise ProfileError(device.profile.name, "has no lines for --server", place="data")
    present = device.port.view(TRUSTPOINT).url
    if present:
        if not _is_same_url(present, url):
            _warn(
                f"--server is not used: the saved configuration has trustpoint {TRUSTPOINT} "
                f"at {present}"
            )
        return
    filled = (line.format(url=url, hostname=device.hostname) for line in lines)
    remarks = carry_out(device, filled, mode=device.profile.data["lab_mode"])
    if device.port.view(TRUSTPOINT).url != url:
        reason = remarks[-1].line if remarks else "the trustpoint was not configured"
        raise DeviceError(f"--server {url!r}: {device.profile.title} refuses it ({reason})")


def _is_same_url(one: str, other: str) -> bool:
    """A configuration may write a port that was not typed."""
    left, right = urlsplit(one), urlsplit(other)
    ports = [parts.port or _DEFAULT_PORTS.get(parts.scheme) for parts in (left, right)]
    return (
        ports[0] == ports[1]
        and left.hostname == right.hostname
        and left._replace(netloc="") == right._replace(netloc="")
    )


def _warn_of_strangers(hosted: HostedDevice) -> None:
    for line in hosted.lines:
        if not line.is_loopback and not hosted.device.users:
            _warn(
                f"{line.endpoint} can be reached from other machines, and the console asks for "
                "no password"
            )


def _announce(options: DeviceService, hosted: HostedDevice, state: Path) -> None:
    endpoints = [line.endpoint for line in hosted.lines]
    server = hosted.device.port.view(TRUSTPOINT).url
    if options.as_json:
        ready = {
            "hostname": hosted.device.hostname,
            "profile": options.profile,
            "consoles": [str(endpoint) for endpoint in endpoints],
            "state": str(state),
            "keys": hosted.store_uri,
            "server": server,
        }
        print(json.dumps(ready), flush=True)
        return
    device = hosted.device
    print(f"{device.hostname} ({device.profile.title}) is up; its files are in {state}")
    for endpoint in endpoints:
        print(f"  {endpoint.client_command}")
    if options.keys:
        print(f"  keys are in {hosted.store_uri}")
    if hosted.is_restored:
        print("  it came up with its saved configuration")
    if server:
        print(f"  trustpoint {TRUSTPOINT} enrolls at {server}")
    print("Ctrl-C ends it.", flush=True)


def _warn(text: str) -> None:
    print(f"sceplab device: warning: {text}", file=sys.stderr, flush=True)


def _fail(code: ExitCode, text: str) -> int:
    print(f"sceplab device: {text}", file=sys.stderr)
    return code
