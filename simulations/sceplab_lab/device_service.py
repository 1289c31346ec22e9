"""What `sceplab device serve` does: one device, until a signal ends it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.url import UrlError, split_url
from sceplab_devices.device import Device
from sceplab_devices.errors import DeviceError
from sceplab_devices.lines.endpoint import Endpoint
from sceplab_devices.profile import open_profile
from sceplab_hsm.errors import KeyStoreError
from sceplab_lab.clock import LabClock
from sceplab_lab.device_host import HostedDevice, start_device
from sceplab_lab.device_options import read_options
from sceplab_lab.device_plan import DevicePlan
from sceplab_lab.errors import LabError
from sceplab_lab.lab_trustpoint import TRUSTPOINT, enrollment_url, lab_hint
from sceplab_lab.login_secrets import SecretBook, read_users
from sceplab_ndes.errors import NdesError
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
    keys: str = ""
    keys_secret: str = ""
    users: tuple[str, ...] = ()
    """``NAME=REFERENCE`` each."""
    enable_secret: str = ""
    """Reference."""
    options: tuple[str, ...] = ()
    """``KEY=VALUE`` each."""
    floor: str = ""
    """Name; empty: ``ndes``."""
    as_json: bool = False


def run_device_service(options: DeviceService) -> int:
    """Runs the device until SIGINT or SIGTERM; the exit code."""
    with report() as outcome, state_folder(options.state) as state:
        plan = _plan(options, state)
        asyncio.run(_serve(options, plan))
    return outcome.code


@dataclass(slots=True)
class Outcome:
    """How a command ended."""

    code: int = ExitCode.OK


@contextmanager
def report(command: str = "sceplab device") -> Iterator[Outcome]:
    """Turns what people can correct into a line on standard error and an exit code.

    Args:
        command: begins the line.
    """
    outcome = Outcome()
    try:
        yield outcome
    except (DeviceError, LabError, NdesError) as error:
        outcome.code = _fail(command, ExitCode.CONFIGURATION, str(error))
    except KeyStoreError as error:
        outcome.code = _fail(command, ExitCode.KEY_STORE, str(error))
    except OSError as error:
        place = error.filename or "state folder"
        outcome.code = _fail(command, ExitCode.CONFIGURATION, f"{place}: {error.strerror}")


@contextmanager
def state_folder(named: Path | None) -> Iterator[Path]:
    """The folder that was named, or one that is gone at the end."""
    if named is not None:
        yield named
        return
    with tempfile.TemporaryDirectory(prefix="sceplab-device-") as folder:
        yield Path(folder)


def _plan(options: DeviceService, state: Path) -> DevicePlan:
    """What the options mean.

    Raises:
        DeviceError: one cannot be meant so.
    """
    if options.server:
        check_server(options.server)
    if options.keys_secret and not options.keys:
        raise DeviceError("--keys-secret belongs to --keys; the device's own store has a secret")
    floor = read_floor(options.floor or "ndes")
    profile = open_profile(options.profile)
    settings = read_options(profile, options.options)
    book = SecretBook()
    enable = options.enable_secret
    return DevicePlan(
        profile=profile,
        hostname=options.hostname,
        consoles=options.consoles,
        state_dir=state,
        keys=options.keys,
        keys_secret=options.keys_secret,
        users=read_users(options.users, book),
        enable_password=book.reveal(enable, owner="enable secret") if enable else "",
        options=settings,
        server=options.server,
        floor=floor,
    )


def check_server(url: str) -> None:
    """Refuses what is no enrollment URL.

    Raises:
        DeviceError: the text says why.
    """
    try:
        split_url(url)
    except UrlError as error:
        raise DeviceError(f"--server: {error}") from error


def read_floor(name: str) -> Floor:
    """The floor of that name.

    Raises:
        DeviceError: there is none; the known ones are named.
    """
    try:
        return Floor(name)
    except ValueError as error:
        known = ", ".join(floor.value for floor in Floor)
        raise DeviceError(f"no floor '{name}'; known: {known}") from error


def stop_signals() -> asyncio.Event:
    """Set by SIGINT, SIGTERM or SIGHUP."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _serve(options: DeviceService, plan: DevicePlan) -> None:
    stop = stop_signals()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="device") as pool:
        hosted = await start_device(plan, clock=LabClock(), pool=pool)
        try:
            warn_of(hosted)
            _announce(options, hosted)
            await stop.wait()
        finally:
            await hosted.close()


def warn_of(hosted: HostedDevice, *, name: str = "") -> None:
    """Says on standard error what may not be meant.

    Args:
        hosted: is up.
        name: of the device, where there are several.
    """
    prefix = f"{name}: " if name else ""
    if hosted.remark:
        _warn(prefix + hosted.remark)
    for line in hosted.lines:
        if not line.is_loopback and lets_anybody_in(line.endpoint, hosted.device):
            _warn(
                f"{prefix}{line.endpoint} can be reached from other machines, and the console asks "
                "for no password"
            )


def lets_anybody_in(endpoint: Endpoint, device: Device) -> bool:
    """Whether nobody is asked who connects there; SSH may be told so in spite of users."""
    return "none" in endpoint.options.auth or not device.asks_login


def facts_of(hosted: HostedDevice) -> dict[str, object]:
    """What programs are told of a device that is up."""
    device = hosted.device
    return {
        "hostname": device.hostname,
        "profile": device.profile.name,
        "consoles": [str(line.endpoint) for line in hosted.lines],
        "state": str(hosted.plan.state_dir),
        "keys": hosted.store_uri,
        "server": enrollment_url(device, hosted.plan.server),
        "hint": lab_hint(device, hosted.plan.server),
    }


def client_commands(hosted: HostedDevice) -> list[str]:
    """What to type to get to a device, a line for each of its own; as its first user."""
    user = next(iter(hosted.plan.users), "")
    return [line.endpoint.command_for(user) for line in hosted.lines]


def _announce(options: DeviceService, hosted: HostedDevice) -> None:
    if options.as_json:
        print(json.dumps(facts_of(hosted)), flush=True)
        return
    device = hosted.device
    state = hosted.plan.state_dir
    print(f"{device.hostname} ({device.profile.title}) is up; its files are in {state}")
    for text in client_commands(hosted):
        print(f"  {text}")
    if options.keys:
        print(f"  keys are in {hosted.store_uri}")
    if hosted.is_restored:
        print("  it came up with its saved configuration")
    server = enrollment_url(device, hosted.plan.server)
    if server:
        print(f"  trustpoint {TRUSTPOINT} enrolls at {server}")
    hint = lab_hint(device, hosted.plan.server)
    if hint:
        print("Type first, to enroll there:")
        for typed in hint:
            print(f"  {typed}")
    print("Ctrl-C ends it.", flush=True)


def _warn(text: str) -> None:
    print(f"sceplab device: warning: {text}", file=sys.stderr, flush=True)


def _fail(command: str, code: ExitCode, text: str) -> int:
    print(f"{command}: {text}", file=sys.stderr)
    return code
