"""`sceplab demo` from its options to its exit code, cleaning up behind itself."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sceplab_agent.errors import AgentError
from sceplab_agent.exit_codes import ExitCode
from sceplab_devices.errors import DeviceError
from sceplab_hsm.errors import KeyStoreError
from sceplab_lab.demo.screen import Screen
from sceplab_lab.demo.stage import ADMIN, Stage, set_stage
from sceplab_lab.demo.story import HOSTNAME, TRUSTPOINT, Story
from sceplab_lab.demo.typist import Typist
from sceplab_lab.errors import LabError
from sceplab_ndes.errors import NdesError

_KEY_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Options of the command."""

    seed: int | None = None
    keep: bool = False
    fast: bool = False
    directory: Path | None = None
    as_json: bool = False


def run_demo(options: DemoOptions) -> int:
    """Plays the demo; the exit code."""
    screen = Screen(sys.stdout, is_quiet=options.as_json)
    try:
        folder, remove = _make_folder(options.directory)
    except OSError as error:
        return _fail(ExitCode.CONFIGURATION, f"{options.directory}: {error.strerror}")
    try:
        asyncio.run(_play(options, screen, folder))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _fail(ExitCode.INTERRUPTED, "interrupted; everything is stopped")
    except (LabError, AgentError, DeviceError, KeyStoreError, NdesError, OSError) as error:
        return _fail(ExitCode.FAILED, str(error))
    finally:
        remove()
    return ExitCode.OK


async def _play(options: DemoOptions, screen: Screen, folder: Path) -> None:
    playing = asyncio.current_task()
    assert playing is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    async with set_stage(folder, seed=options.seed, hostname=HOSTNAME) as stage:
        pause_s = _KEY_PAUSE_S if screen.is_terminal and not options.fast else 0.0
        endpoint = stage.router.lines[0].endpoint
        typist = await Typist.connect(
            endpoint.host, endpoint.port, show=screen.console, pause_s=pause_s
        )
        try:
            await Story(stage, screen, typist).play()
        finally:
            await typist.close()
        _summarize(stage, screen, is_kept=options.keep or options.directory is not None)
        if options.as_json:
            print(json.dumps(_facts(stage), indent=2))
        if options.keep:
            await _stay(stage, screen)


async def _stay(stage: Stage, screen: Screen) -> None:
    """Leaves everything running until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    stage.clock.run()
    endpoint = stage.router.lines[0].endpoint
    screen.act("Left running")
    screen.say(f"telnet {endpoint.host} {endpoint.port}")
    screen.say(stage.server.admin_url)
    screen.say(f"  user {ADMIN}, password in {stage.folder / 'ndes' / 'admin-password'}")
    screen.say("Ctrl-C ends it.")
    await stop.wait()


def _summarize(stage: Stage, screen: Screen, *, is_kept: bool) -> None:
    screen.act("What came of it")
    facts = _facts(stage)
    if not is_kept:
        for row in facts:
            row["files"] = str(Path(row["files"]).relative_to(stage.folder))
    fields = [name for name in facts[0] if name != "who"]
    screen.table(
        ["who", *(row["who"] for row in facts)],
        [[_LABELS[name], *(row[name] for row in facts)] for name in fields],
    )
    if not is_kept:
        screen.say("The files were in a temporary folder, which is removed now.")
        screen.say("--dir FOLDER keeps them; --keep leaves server and router running.")


def _facts(stage: Stage) -> list[dict[str, str]]:
    view = stage.router.port.view(TRUSTPOINT)
    rows = [_row("CA", "-", stage.ndes.hierarchy.root.certificate, stage.folder / "ndes")]
    if view.certificate_der is not None:
        certificate = x509.load_der_x509_certificate(view.certificate_der)
        folder = stage.folder / "router" / "trustpoints" / TRUSTPOINT
        rows.append(_row(HOSTNAME, view.state, certificate, folder))
    return rows


_LABELS = {
    "state": "state",
    "serial": "serial number",
    "not_before": "valid from",
    "not_after": "valid until",
    "sha256": "SHA-256",
    "files": "files",
}


def _row(who: str, state: str, certificate: x509.Certificate, folder: Path) -> dict[str, str]:
    return {
        "who": who,
        "state": state,
        "serial": f"{certificate.serial_number:X}",
        "not_before": f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC",
        "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC",
        "sha256": certificate.fingerprint(hashes.SHA256()).hex().upper(),
        "files": str(folder),
    }


def _make_folder(wanted: Path | None) -> tuple[Path, Callable[[], None]]:
    """The folder to play in, and what to call at the end."""
    if wanted is None:
        folder = Path(tempfile.mkdtemp(prefix="sceplab-demo-"))
        return folder, lambda: shutil.rmtree(folder, ignore_errors=True)
    wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(wanted.iterdir()):
        raise FileExistsError(17, "the folder is not empty; choose a new one")
    return wanted, lambda: None


def _fail(code: ExitCode, text: str) -> int:
    print(f"sceplab demo: {text}", file=sys.stderr)
    return code
