"""A neighbour that is not ours (lldpd) hears of an emulated device in a network namespace."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.netns import Namespace, open_namespace
from tests.support.programs import require_program
from tests.support.source_tree import source_environment
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


@contextmanager
def listening(namespace: Namespace) -> Iterator[Path]:
    """lldpd on one end of the cable; gives the socket it is asked by."""
    program = require_program("lldpd", package="lldpd")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lldpd-")))
        folder.chmod(0o755)  # lldpcli asks as the daemon's own user
        asked = folder / "socket"
        words = (program, "-dd", "-r", "-cc", "-u", asked, "-p", folder / "pid", "-I", "neighbour0")
        log = stack.enter_context((folder / "log").open("wb"))
        daemon = subprocess.Popen(namespace.command(*words), stdout=log, stderr=log)
        try:
            wait_until(asked.exists, "the socket of lldpd")
            yield asked
        finally:
            daemon.terminate()
            daemon.wait(30)


def neighbours(namespace: Namespace, asked: Path) -> list[dict[str, Any]]:
    """What lldpd knows."""
    shown = namespace.run("lldpcli", "-u", asked, "-f", "json0", "show", "neighbors", "details")
    return [entry for part in json.loads(shown.stdout)["lldp"] for entry in part["interface"]]


@pytest.mark.parametrize(("kind", "protocol"), [("lldp", "LLDP"), ("cdp", "CDPv2")])
def test_neighbour_hears_the_device(kind: str, protocol: str) -> None:
    """lldpd names the device, its port and its software as they were announced."""
    require_program("lldpcli", package="lldpd")
    with open_namespace() as namespace:
        namespace.make_cable("device0", "neighbour0")
        with listening(namespace) as asked:
            found: list[dict[str, Any]] = []
            for _ in range(
                50
            ):  # lldpd may look at its interface a moment after its socket is there
                namespace.run(
                    sys.executable, "-m", "sceplab_lab", "wire", "--profile", "cisco-ios",
                    "--hostname", "R1", "--interface", "device0", "--frame", kind,
                    env=source_environment(),
                )  # fmt: skip
                found = neighbours(namespace, asked)
                if found:
                    break
    (neighbour,) = found
    assert neighbour["via"] == protocol
    assert neighbour["chassis"][0]["name"] == [{"value": "R1"}]
    assert neighbour["chassis"][0]["mgmt-ip"] == [{"value": "192.0.2.1"}]
    assert "GigabitEthernet0/1" in str(neighbour["port"])
    assert "IOS" in str(neighbour["chassis"][0]["descr"])
