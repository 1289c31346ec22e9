"""Private strongSwan daemons in network namespaces of a test's own.

The tunnel is made in user space (kernel-libipsec and a TUN interface), so that no kernel module is
needed. Which packets got lost a `Ping` says.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import vici

from tests.support.netns import Namespace
from tests.support.programs import require_program
from tests.support.waiting import wait_until

_PLUGINS = (
    "random nonce x509 revocation constraints pubkey pkcs1 pkcs8 pem openssl sha1 sha2 aes hmac "
    "kdf gcm ctr curve25519 mgf1 {pkcs11} kernel-libipsec kernel-netlink socket-default vici updown"
)
_LOST = re.compile(r"(\d+) packets transmitted, (\d+) received")


@dataclass(frozen=True)
class Charon:
    """A daemon that runs."""

    socket: Path
    log: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Ends it as a crash would; its socket stays behind."""
        self.process.kill()
        self.process.wait(30)

    def talk(self) -> vici.Session:
        """A session; close its transport."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.socket))
        return vici.Session(connection)

    def ask(self, command: str, **values: Any) -> Any:
        """Sends one command that gives a list, or one answer."""
        session = self.talk()
        try:
            answer = getattr(session, command)(*([values] if values else []))
            return list(answer) if hasattr(answer, "__next__") else answer
        finally:
            session.transport.close()

    def certificates(self) -> set[bytes]:
        """Every certificate the daemon has or has seen, DER."""
        return {bytes(one["data"]) for one in self.ask("list_certs", type="X509", flag="ANY")}

    def children(self) -> list[str]:
        """Names of the CHILD_SAs that are installed."""
        return [
            child["name"].decode()
            for told in self.ask("list_sas")
            for sa in told.values()
            for child in sa["child-sas"].values()
            if child["state"] == b"INSTALLED"
        ]

    def sas(self) -> list[str]:
        """Numbers of the IKE_SAs that are established."""
        return [
            sa["uniqueid"].decode()
            for told in self.ask("list_sas")
            for sa in told.values()
            if sa["state"] == b"ESTABLISHED"
        ]

    def said(self, words: str) -> bool:
        """Whether the log has these words."""
        return words in self.log.read_text()


@contextmanager
def running_charon(
    namespace: Namespace, folder: Path, *, module: str = "", **environment: str
) -> Iterator[Charon]:
    """Runs a daemon.

    Args:
        namespace: it lives in.
        folder: private; made here, or that of a daemon that has ended. Its path has to be short:
            it holds a socket.
        module: path of a PKCS#11 module, which the daemon calls ``p11``.
        environment: of the daemon, besides.
    """
    program = require_program("charon-systemd", package="charon-systemd")
    _require_tunnels()
    folder.mkdir(mode=0o700, exist_ok=True)
    settings, log = folder / "strongswan.conf", folder / "log"
    control = folder / "vici"
    control.unlink(missing_ok=True)
    settings.write_text(_configuration(control, log, module))
    with (folder / "out").open("wb") as output:
        daemon = subprocess.Popen(
            namespace.command(program),
            env={**os.environ, **environment, "STRONGSWAN_CONF": str(settings)},
            stdout=output,
            stderr=output,
        )
    try:

        def is_up() -> bool:
            assert daemon.poll() is None, (folder / "out").read_text()
            return control.exists()

        wait_until(is_up, f"charon at {control}")
        yield Charon(control, log, daemon)
    finally:
        daemon.terminate()
        daemon.wait(30)


def _require_tunnels() -> None:
    """Skips where there is no TUN device; in continuous integration as root that is an error."""
    if os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return
    reason = "/dev/net/tun is missing; as root: modprobe tun"
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _configuration(control: Path, log: Path, module: str) -> str:
    pkcs11 = (
        f"pkcs11 {{ modules {{ p11 {{ path = {module}\n os_locking = yes\n load_certs = no }} }} }}"
        if module
        else ""
    )
    return f"""\
charon-systemd {{
  load_modular = no
  load = {_PLUGINS.format(pkcs11="pkcs11" if module else "")}
  retransmit_timeout = 0.5
  retransmit_tries = 3
  plugins {{
    vici {{
      socket = unix://{control}
    }}
    kernel-libipsec {{
      allow_peer_ts = yes
    }}
    {pkcs11}
  }}
  filelog {{
    log {{
      path = {log}
      default = 1
      flush_line = yes
    }}
  }}
}}
"""


class Ping:
    """A ping that goes on until it is asked what it lost, or its block is left."""

    def __init__(
        self, namespace: Namespace, source: str, target: str, *, interval_s: float
    ) -> None:
        program = require_program("ping", package="iputils-ping")
        words = ("-n", "-q", "-i", str(interval_s), "-I", source, target)
        self._process = subprocess.Popen(
            namespace.command(program, *words), stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Ping:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate(timeout=30)

    def end(self) -> tuple[int, int]:
        """Ends it; packets sent and packets lost. One that is under way counts as lost."""
        self._process.send_signal(signal.SIGINT)
        output, _ = self._process.communicate(timeout=30)
        found = _LOST.search(output)
        assert found is not None, output
        sent, received = int(found[1]), int(found[2])
        return sent, sent - received


class TunnelWatch:
    """Looks all the time whether a daemon has a CHILD_SA installed."""

    def __init__(self, daemon: Charon) -> None:
        self._daemon = daemon
        self._end = threading.Event()
        self.counts: list[int] = []
        """How many were there, look by look."""
        self._thread = threading.Thread(target=self._look, name="tunnel-watch")

    def __enter__(self) -> TunnelWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.005):
            self.counts.append(len(self._daemon.children()))
