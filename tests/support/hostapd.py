"""802.1X on a cable: hostapd is the switch port with its server, wpa_supplicant the device."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sceplab_agent.eap.tls_method import Credentials
from sceplab_agent.handoff.wpa_control import WpaControl
from tests.support.netns import Namespace
from tests.support.programs import require_file, require_program
from tests.support.waiting import wait_until

PORT, DEVICE = "port0", "device0"
"""The two ends of the cable."""

ENGINE = Path("/usr/lib/x86_64-linux-gnu/engines-3/libpkcs11.so")

_HOSTAPD = """interface={port}
driver=wired
ieee8021x=1
eap_server=1
eap_user_file={folder}/users
ca_cert={folder}/server-ca.pem
server_cert={folder}/server.pem
private_key={folder}/server.key
ctrl_interface={folder}/hostapd
use_pae_group_addr=1
"""


@dataclass(frozen=True)
class Port:
    """What the log of hostapd says of its port."""

    log: Path

    def serials(self) -> list[int]:
        """Serial numbers of the devices' certificates that it took, oldest first."""
        found = re.findall(r"peer certificate: depth=0 serial_num=([0-9A-F]+)", self._text())
        return [int(text, 16) for text in found]

    def count(self, words: str) -> int:
        """How often a line with these words was written."""
        return len(re.findall(words, self._text()))

    def closings(self) -> int:
        """How often the port was closed, its closed beginning included."""
        return self.count(r"unauthorizing port")

    def openings(self) -> int:
        """How often the port was opened, or stayed open after an authentication."""
        return self.count(r" authorizing port")

    def wait_for_openings(self, number: int) -> None:
        """Waits for so many; a device hears of its success a moment earlier than the log."""
        wait_until(lambda: self.openings() >= number, f"opening {number} of the port")
        assert self.openings() == number

    def _text(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def switch_port(namespace: Namespace, folder: Path, server: Credentials) -> Iterator[Port]:
    """hostapd on one end of the cable, with its own EAP server.

    Args:
        namespace: where `PORT` is.
        folder: private and new.
        server: certificate of the server, and the CA that devices are held against.
    """
    program = require_program("hostapd", package="hostapd")
    folder.mkdir()
    (folder / "users").write_text("* TLS\n")
    (folder / "server-ca.pem").write_bytes(server.trusted_pem)
    (folder / "server.pem").write_bytes(server.certificate_pem)
    (folder / "server.key").write_bytes(server.key_pem)
    (folder / "hostapd.conf").write_text(_HOSTAPD.format(port=PORT, folder=folder))
    words = (program, "-dd", "-f", folder / "log", folder / "hostapd.conf")
    with _running(namespace, words, ready=folder / "hostapd" / PORT):
        yield Port(folder / "log")


@contextmanager
def wpa_supplicant(
    namespace: Namespace,
    folder: Path,
    network: str,
    *,
    settings: str = "",
    environment: dict[str, str] | None = None,
) -> Iterator[Path]:
    """wpa_supplicant on the other end; gives its control socket.

    Args:
        namespace: where `DEVICE` is.
        folder: private and new.
        network: lines of its one network.
        settings: lines before that.
        environment: of the daemon; ``None``: ours.
    """
    program = require_program("wpa_supplicant", package="wpasupplicant")
    folder.mkdir()
    configuration = folder / "wpa_supplicant.conf"
    configuration.write_text(
        f"ctrl_interface={folder}/control\nap_scan=0\n{settings}\n"
        f"network={{\nkey_mgmt=IEEE8021X\neap=TLS\neapol_flags=0\n{network}\n}}\n"
    )
    control = folder / "control" / DEVICE
    words = (program, "-D", "wired", "-i", DEVICE, "-c", configuration, "-dd", "-f", folder / "log")
    with _running(namespace, words, ready=control, environment=environment):
        yield control


def wait_for_port(control: Path, folder: Path) -> None:
    """Waits until the device says that its port is open."""
    with WpaControl(control, folder, monotonic=time.monotonic) as wpa:
        wait_until(lambda: wpa.status().get("suppPortStatus") == "Authorized", "an open port")


def require_engine() -> Path:
    """OpenSSL's engine for PKCS#11; the calling test is skipped where it is not installed."""
    return require_file(ENGINE, package="libengine-pkcs11-openssl")


@contextmanager
def _running(
    namespace: Namespace,
    words: tuple[str | Path, ...],
    *,
    ready: Path,
    environment: dict[str, str] | None = None,
) -> Iterator[None]:
    daemon = subprocess.Popen(namespace.command(*words), stdout=subprocess.DEVNULL, env=environment)
    try:
        wait_until(lambda: ready.exists() or daemon.poll() is not None, f"{words[0]}")
        assert daemon.poll() is None, f"{words[0]} has ended"
        yield
    finally:
        daemon.terminate()
        daemon.wait(30)
