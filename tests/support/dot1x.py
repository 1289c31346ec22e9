"""A switch port that lets traffic through only while it is open, and the hand-off to its device.

hostapd's driver for cables decides and blocks nothing: what a switch does then is done here by a
bridge, whose port `hostapd_cli` opens and closes as hostapd says.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sceplab_agent.eap.tls_method import Credentials
from sceplab_agent.handoff.api import Delivery
from sceplab_agent.handoff.wpa_supplicant import WpaSettings, WpaSupplicantHandOff
from tests.support.charon import Ping
from tests.support.hostapd import DEVICE, PORT, Port, switch_port
from tests.support.netns import Namespace, open_namespace
from tests.support.programs import require_program
from tests.support.waiting import wait_until

_BRIDGE, _LAN, _HOST = "lan0", "192.0.2.1", "192.0.2.10"
_ACTION = f"""#!/bin/sh
case "$2" in
AP-STA-CONNECTED) exec bridge link set dev {PORT} state 3 ;;
AP-STA-DISCONNECTED) exec bridge link set dev {PORT} state 0 ;;
esac
"""


def make_handoff(
    control: Path, folder: Path, timeout_s: float = 20, **more: object
) -> WpaSupplicantHandOff:
    """The hand-off to the network of the lab."""
    settings = WpaSettings(
        control=control, directory=folder / "handoff", timeout_s=timeout_s, **more  # type: ignore[arg-type]
    )  # fmt: skip
    return WpaSupplicantHandOff(
        "port", settings, clock=lambda: datetime.now(UTC), monotonic=time.monotonic
    )


def hand_over(handoff: WpaSupplicantHandOff, delivery: Delivery) -> str:
    """All steps of a hand-off that goes well."""
    memo = handoff.prepare(delivery)
    handoff.install(delivery, memo)
    proof = handoff.verify(delivery, memo)
    handoff.commit(delivery, memo)
    return proof


@dataclass(frozen=True)
class Office:
    """A switch with one port, and the device at its cable in a namespace of its own."""

    switch: Namespace
    device: Namespace

    @contextmanager
    def guarded_port(self, folder: Path, server: Credentials) -> Iterator[Port]:
        """The port with hostapd; closed until somebody authenticates.

        Args:
            folder: private and new.
            server: see `switch_port`.
        """
        program = require_program("hostapd_cli", package="hostapd")
        action = folder.with_name(f"{folder.name}-action")
        action.write_text(_ACTION)
        action.chmod(0o700)
        with switch_port(self.switch, folder, server) as port:
            self.switch.run("bridge", "link", "set", "dev", PORT, "state", "0")
            words = (program, "-p", folder / "hostapd", "-i", PORT, "-a", action)
            watcher = subprocess.Popen(self.switch.command(*words), stdout=subprocess.DEVNULL)
            try:
                wait_until(lambda: port.count("monitor attached"), "the port's watcher")
                yield port
            finally:
                watcher.terminate()
                watcher.wait(30)

    def ping(self) -> Ping:
        """A ping from the device through the port, 200 a second, under way."""
        return Ping(self.device, _HOST, _LAN, interval_s=0.005)

    def passes(self) -> bool:
        """Whether a packet of the device's comes back within a second."""
        program = require_program("ping", package="iputils-ping")
        words = self.device.command(program, "-n", "-q", "-c", "1", "-W", "1", _LAN)
        return subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0


@contextmanager
def open_office() -> Iterator[Office]:
    """Makes the namespaces, the cable and the bridge behind the port."""
    with ExitStack() as stack:
        switch, device = (stack.enter_context(open_namespace()) for _ in range(2))
        switch.run("ip", "link", "add", _BRIDGE, "type", "bridge")
        switch.run("ip", "address", "add", f"{_LAN}/24", "dev", _BRIDGE)
        switch.join(device, PORT, f"{DEVICE} {_HOST}/24")
        switch.run("ip", "link", "set", PORT, "master", _BRIDGE)
        switch.run("ip", "link", "set", _BRIDGE, "up")
        yield Office(switch, device)
