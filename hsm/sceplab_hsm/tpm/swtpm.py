"""A private software TPM for labs and tests: swtpm on loopback, its state in a directory of yours.

swtpm is an emulator: it keeps the chip's secrets in files (``STATE``) that whoever can read them
can take apart, so its keys are as safe as those files. It behaves like a chip in everything else,
lockout and power cycle included.

An instance outlives this process; stop it with `SwtpmInstance.stop`, or from a shell with the
command `stop_command` gives. Its state stays, and the next start finds its keys again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from sceplab_hsm.errors import ModuleMissingError, StoreUnavailableError
from sceplab_hsm.files import locked_directory, make_private_directory
from sceplab_hsm.lab import ensure_lab_secret
from sceplab_hsm.tpm.chip import TpmChip
from sceplab_hsm.tpm.esapi import connect_esapi, load_binding

_HOST = "127.0.0.1"
_PORTS = range(20000, 32000, 2)
_PORT_TRIES = 50
_START_S, _STOP_S = 10.0, 10.0
_NAP_S = 0.01
_PID_NAME, _LOG_NAME, _PORT_NAME = "swtpm.pid", "swtpm.log", "swtpm.port"


@dataclass(frozen=True, slots=True)
class SwtpmInstance:
    """A running swtpm."""

    state: Path
    """Directory of its persistent state, its log and its process id."""
    port: int
    """Commands on loopback; control is on the next one."""
    pid: int

    @property
    def tcti(self) -> str:
        """How the TSS connects to it."""
        return f"swtpm:host={_HOST},port={self.port}"

    @property
    def stop_command(self) -> str:
        """What ends it from a shell, orderly: a lockout counter is not raised by it."""
        shutdown = shlex.join(["tpm2_shutdown", "-c", "-T", self.tcti])
        return f"{shutdown}; kill {self.pid}"

    def connect(self) -> TpmChip:
        """A connection to it; close it."""
        return connect_esapi(self.tcti)

    def stop(self) -> None:
        """Ends it orderly, as a device that is shut down."""
        with contextlib.suppress(Exception):
            chip = self.connect()
            chip.shutdown()
            chip.close()
        self._end(signal.SIGTERM)

    def power_cut(self) -> None:
        """Ends it as a pulled plug does."""
        self._end(signal.SIGKILL)

    def restart(self) -> SwtpmInstance:
        """Starts it again on its port and state, after `stop` or `power_cut`."""
        return start_swtpm(self.state, port=self.port)

    def _end(self, number: signal.Signals) -> None:
        if not _runs_on(self.state, self.pid):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        deadline = time.monotonic() + _STOP_S
        while _runs_on(self.state, self.pid):
            if time.monotonic() > deadline:
                raise StoreUnavailableError(f"swtpm (process {self.pid}) does not end")
            time.sleep(_NAP_S)


def start_swtpm(state: Path, *, port: int | None = None) -> SwtpmInstance:
    """Starts a swtpm that outlives this process.

    Args:
        state: its directory; made (0700) when missing, used again when it is there.
        port: to use together with the next one; ``None`` finds two free ones.

    Raises:
        ModuleMissingError: swtpm is not installed.
        StoreUnavailableError: it does not start; its own words are in the text.
    """
    program = _program()
    make_private_directory(state)
    with locked_directory(state):
        running = running_swtpm(state)
        if running is not None:
            raise StoreUnavailableError(
                f"a swtpm of {state} runs already (process {running.pid}, port {running.port})"
            )
        return _start(program, state, port)


def _program() -> str:
    program = shutil.which("swtpm")
    if program is None:
        raise ModuleMissingError("swtpm is not installed; on Debian: apt-get install swtpm")
    return program


def _start(program: str, state: Path, port: int | None) -> SwtpmInstance:
    """Under the lock of the state: two that start at once would lose each other's process id."""
    for _ in range(1 if port is not None else _PORT_TRIES):
        chosen = port if port is not None else _free_ports()
        words = _launch(program, state, chosen)
        if not words:
            return _wait_for(state, chosen)
        if "Address already in use" not in words:
            break  # else somebody took the port since we looked
    raise StoreUnavailableError(f"swtpm does not start: {words}")


def running_swtpm(state: Path) -> SwtpmInstance | None:
    """The instance that runs on this state, ``None`` when there is none."""
    try:
        pid = int((state / _PID_NAME).read_text(encoding="ascii"))
        port = int((state / _PORT_NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return SwtpmInstance(state, port, pid) if _runs_on(state, pid) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwtpmLab:
    """What a lab needs to know of its software TPM."""

    uri: str
    """Of a key store on it; open it with ``create=True`` the first time."""
    secret_reference: str
    """Reference to its PIN: a file next to the store, which is no protection."""
    instance: SwtpmInstance


def init_swtpm(directory: Path | str, *, dictionary_attack: bool = False) -> SwtpmLab:
    """Makes a lab TPM in a directory, or starts the one that is there again on its port.

    The directory gets ``state`` (the emulated chip), ``keys`` (the store) and ``pin``. Of several
    processes that do this at once one starts the chip and the others find it.

    Args:
        directory: made (0700) when missing.
        dictionary_attack: whether wrong PINs count in a new store.

    Raises:
        ModuleMissingError: swtpm or the extra ``tpm`` is not installed; nothing was made.
        StoreUnavailableError: it does not start.
    """
    program = _program()
    load_binding()
    base = Path(directory).expanduser().absolute()
    state = base / "state"
    make_private_directory(state)
    reference = ensure_lab_secret(base / "pin")
    with locked_directory(state):
        instance = running_swtpm(state) or _start(program, state, _last_port(state))
    counted = "&da=on" if dictionary_attack else ""
    return SwtpmLab(
        uri=f"tpm:{_quoted(base / 'keys')}?tcti={instance.tcti}{counted}",
        secret_reference=reference,
        instance=instance,
    )


def _launch(program: str, state: Path, port: int) -> str:
    """Starts the daemon; gives what it complains about, empty when it does not."""
    for name in (_PID_NAME, _LOG_NAME):
        (state / name).unlink(missing_ok=True)
    (state / _PORT_NAME).touch(mode=0o600)
    (state / _PORT_NAME).write_text(f"{port}\n", encoding="ascii")
    started = subprocess.run(  # noqa: S603 - a program found on the path, arguments of our own
        [
            *(program, "socket", "--tpm2", "--daemon", "--tpmstate", _state_argument(state)),
            *("--server", f"type=tcp,port={port},bindaddr={_HOST}"),
            *("--ctrl", f"type=tcp,port={port + 1},bindaddr={_HOST}"),
            *("--flags", "not-need-init,startup-clear"),
            *("--pid", f"file={state / _PID_NAME}", "--log", f"file={state / _LOG_NAME}"),
        ],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_START_S,
        umask=0o077,
        text=True,
    )
    if started.returncode == 0:
        return ""
    log = state / _LOG_NAME
    words = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return (words + started.stderr).strip()[-500:] or f"exit code {started.returncode}"


def _wait_for(state: Path, port: int) -> SwtpmInstance:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        running = running_swtpm(state)
        if running is not None:
            with contextlib.suppress(OSError), socket.create_connection((_HOST, port + 1), 1):
                return running
        time.sleep(_NAP_S)
    raise StoreUnavailableError(f"swtpm of {state} does not answer on port {port}")


def _free_ports() -> int:
    for _ in range(_PORT_TRIES):
        port = secrets.choice(_PORTS)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for number in (port, port + 1):
                listener = stack.enter_context(socket.socket())
                listener.bind((_HOST, number))
            return port
    raise StoreUnavailableError("no two free ports between 20000 and 32000 for swtpm")


def _last_port(state: Path) -> int | None:
    try:
        return int((state / _PORT_NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _runs_on(state: Path, pid: int) -> bool:
    """Whether this process is the swtpm of that state: its number may have gone to another."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(_state_argument(state)) in arguments  # a process that has ended has none


def _state_argument(state: Path) -> str:
    return f"dir={state},mode=0600"


def _quoted(path: Path) -> str:
    text = os.fspath(path)
    return text.replace("%", "%25").replace("#", "%23").replace("?", "%3F")
