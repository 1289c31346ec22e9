"""Other people's SCEP programs, as processes: micromdm, strongSwan and certmonger from Debian.

Each runs in a folder of its own and is ended by its process id. Nothing is patched.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import require_program

TIMEOUT_S = 60


def free_port() -> int:
    """A loopback port between 20000 and 32000 that nobody listens on (scepserver cannot bind 0)."""
    for port in range(20000 + os.getpid() % 5000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port between 20000 and 32000")


def run(command: Sequence[str | Path], *, cwd: Path, env: dict[str, str] | None = None) -> Result:
    """Runs a program to its end and keeps what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "HOME": str(cwd), "LC_ALL": "C", **(env or {})},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Result(done.returncode, done.stdout + done.stderr)


@dataclass(frozen=True, slots=True)
class Result:
    """Exit status and everything printed."""

    status: int
    output: str


# --- micromdm -------------------------------------------------------------------------------------


def scepclient(url: str, folder: Path, *, challenge: str, fingerprint: str = "") -> Result:
    """Enrolls with micromdm's client; the certificate lands in ``folder/client.pem``.

    It always writes single DES and SHA-1 (T-01), and polls by sending the request again (T-06).
    """
    require_program("scepclient", package="scep")
    words: list[str | Path] = ["scepclient", "-server-url", url, "-challenge", challenge]
    words += ["-private-key", folder / "client.key", "-certificate", folder / "client.pem"]
    if fingerprint:
        words += ["-ca-fingerprint", fingerprint]
    return run(words, cwd=folder)


@contextmanager
def scepserver(folder: Path, *, challenge: str) -> Iterator[str]:
    """micromdm's server with a new CA; yields its URL. It knows no PENDING (T-07)."""
    require_program("scepserver", package="scep")
    depot = folder / "depot"
    made = run(["scepserver", "ca", "-init", "-depot", depot], cwd=folder)
    assert made.status == 0, made.output
    port = free_port()
    words = ["scepserver", "-depot", str(depot), "-port", str(port), "-challenge", challenge]
    with (folder / "scepserver.log").open("wb") as log:
        process = subprocess.Popen([*words, "-allowrenew", "0"], cwd=folder, stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}/scep"
    finally:
        end(process)


# --- strongSwan -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StrongswanPki:
    """`pki --scepca` and `pki --scep` with a private configuration."""

    folder: Path
    url: str

    def _run(self, *words: str | Path) -> Result:
        require_program("pki", package="strongswan-pki")
        configuration = self.folder / "strongswan.conf"
        configuration.write_text("")
        return run(["pki", *words], cwd=self.folder, env={"STRONGSWAN_CONF": str(configuration)})

    def fetch_ca(self) -> Result:
        """Writes the CA certificate to ``ca.pem`` and RA certificates to ``ra*.pem``."""
        return self._run(
            "--scepca", "--url", self.url, "--caout", "ca", "--raout", "ra", "--outform", "pem"
        )

    def enroll(
        self,
        *extra: str | Path,
        encrypt_to: str,
        signed_by: str,
        password: str,
        key: str = "key.pem",
    ) -> Result:
        """Enrolls a new RSA key; the certificate lands in ``certificate.pem``."""
        if not (self.folder / key).exists():
            made = run(["openssl", "genrsa", "-out", key, "2048"], cwd=self.folder)
            assert made.status == 0, made.output
        words: list[str | Path] = ["--scep", "--url", self.url, "--in", key]
        words += ["--dn", "C=CH, O=strongSwan, CN=peer.example.test", "--san", "peer.example.test"]
        words += ["--cacert-enc", encrypt_to, "--cacert-sig", signed_by, "--cacert", "ca.pem"]
        if password:
            words += ["--password", password]
        configuration = self.folder / "strongswan.conf"
        configuration.write_text("")
        require_program("pki", package="strongswan-pki")
        with (self.folder / "certificate.pem").open("wb") as out:
            done = subprocess.run(
                ["pki", *[str(word) for word in words], "--outform", "pem", *map(str, extra)],
                cwd=self.folder,
                env={**os.environ, "STRONGSWAN_CONF": str(configuration)},
                stdout=out,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT_S,
                check=False,
            )
        return Result(done.returncode, done.stderr.decode())


# --- certmonger -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Certmonger:
    """A certmonger session daemon on a session bus of its own."""

    folder: Path
    environment: dict[str, str]

    def getcert(self, *words: str | Path) -> Result:
        """Runs `getcert` against this daemon."""
        return run(["getcert", *words, "-s"], cwd=self.folder, env=self.environment)

    def status(self) -> str:
        """Status of the only request, for example ``MONITORING`` or ``CA_WORKING``."""
        found = re.search(r"status: (\S+)", self.getcert("list").output)
        return found.group(1) if found else ""

    def wait_for_status(self, *wanted: str) -> str:
        """Asks until the request has one of the statuses; the last one seen when time is up."""
        ends = time.monotonic() + TIMEOUT_S
        while (status := self.status()) not in wanted and time.monotonic() < ends:
            pass  # each question is a process of its own and takes its time
        return status


_BUS_CONFIGURATION = """\
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir={folder}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
# No service folders: the bus itself would start a second certmonger, in the user's own folders.


@contextmanager
def certmonger(folder: Path) -> Iterator[Certmonger]:
    """Starts a private bus and a private certmonger; ends both by process id."""
    require_program("getcert", package="certmonger")
    require_program("dbus-daemon", package="dbus")
    for name in ("requests", "cas", "local"):
        (folder / name).mkdir()
    (folder / "certmonger.conf").write_text("[defaults]\nnotification_method=none\n")
    configuration = folder / "bus.conf"
    configuration.write_text(_BUS_CONFIGURATION.format(folder=folder))
    bus = subprocess.Popen(
        ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert bus.stdout is not None
    address = bus.stdout.readline().strip()
    environment = {
        "DBUS_SESSION_BUS_ADDRESS": address,
        "CERTMONGER_CONFIG_DIR": str(folder),
        "CERTMONGER_REQUESTS_DIR": str(folder / "requests"),
        "CERTMONGER_CAS_DIR": str(folder / "cas"),
        "CERTMONGER_LOCAL_CA_DIR": str(folder / "local"),
        "CERTMONGER_TMPDIR": str(folder),
        "HOME": str(folder),
    }
    with (folder / "certmonger.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["/usr/lib/certmonger/certmonger-session", "-n", "-d", "3"],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
    session = Certmonger(folder, environment)
    try:
        ends = time.monotonic() + TIMEOUT_S
        while session.getcert("list-cas").status != 0 and time.monotonic() < ends:
            assert daemon.poll() is None, (folder / "certmonger.log").read_text()
        yield session
    finally:
        end(daemon)
        end(bus)
        bus.stdout.close()


# --- processes ------------------------------------------------------------------------------------


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Returns when something answers on the loopback port."""
    ends = time.monotonic() + TIMEOUT_S
    while time.monotonic() < ends:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        with suppress(subprocess.TimeoutExpired):  # a pause that also notices its end
            raise ChildProcessError(f"{process.args!r} ended with {process.wait(0.05)}")
    raise TimeoutError(f"nothing listens on port {port}")


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Ends a process we started, by its id, and waits for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def openssl(*words: str | Path, cwd: Path) -> Result:
    """Runs the system's OpenSSL."""
    assert shutil.which("openssl"), "openssl is not installed"
    return run(["openssl", *words], cwd=cwd)
