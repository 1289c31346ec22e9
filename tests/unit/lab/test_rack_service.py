"""Racks that run: as processes, as the page describes them, and when something fails half-way."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1

from sceplab_lab.rack import read_rack
from sceplab_lab.rack_errors import RackError
from sceplab_lab.rack_plan import RackPlanner
from sceplab_lab.rack_server import PORT_FILE
from sceplab_lab.rack_service import RunningRack, running_rack
from tests.support.source_tree import ROOT
from tests.unit.lab.test_cli import run
from tests.unit.lab.test_demo import command, environment

SECRETS = {"LAB_PASSWORD": "s3cret", "LAB_ENABLE": "3nable"}


def example() -> str:
    """The rack file of the page."""
    page = (ROOT / "docs" / "rack.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def typed(port: int, *lines: str, until: bytes) -> str:
    """Types lines at a network line; what was shown."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        for text in lines:
            line.sendall(text.encode() + b"\r")
        shown = b""
        while until not in shown:
            received = line.recv(4096)
            assert received, shown
            shown += received
        return shown.decode("latin-1")


@pytest.mark.daemon
def test_the_page_describes_what_happens(tmp_path: Path) -> None:
    """The example runs: server, login, enable, trustpoint, enrollment, inventory, and an end."""
    (tmp_path / "rack.yaml").write_text(example())
    settings = {**environment(tmp_path), **SECRETS}
    with subprocess.Popen(
        command("device", "serve", "-i", "rack.yaml", "--json"),
        cwd=tmp_path, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            text = process.stdout.readline()
            ready: dict[str, Any] = json.loads(text)
            devices = {device["name"]: device for device in ready["devices"]}
            assert list(devices) == ["r1", "r2", "r3", "branch1", "branch2", "core"]
            assert devices["core"]["hostname"] == "CORE"
            assert devices["core"]["keys"].startswith("tpm-stub:")
            assert devices["branch1"]["server"] == ready["server"]["scep_url"]
            port = int(devices["branch2"]["consoles"][0].rpartition(":")[2])
            login = ("admin", "s3cret", "enable", "3nable", "terminal length 0")
            shown = typed(port, *login, "show running-config | include enrollment url",
                          "show version | include uptime", until=b"branch2 uptime")  # fmt: skip
            assert f"enrollment url {ready['server']['scep_url']}" in shown
            console = int(devices["r2"]["consoles"][1].rpartition(":")[2])
            shown = typed(
                console, "", *login, "configure terminal",
                "crypto pki authenticate LAB", "yes", until=b"Trustpoint CA certificate accepted",
            )  # fmt: skip
            ca = x509.load_pem_x509_certificate(
                (tmp_path / ready["server"]["ca_file"]).read_bytes()
            )
            assert ca.fingerprint(SHA1()).hex().upper()[:8] in shown
            assert not (tmp_path / "lab-files" / "r3" / "keys").exists()
            assert not (tmp_path / "lab-files" / "r3" / "trustpoints").exists()
            (tmp_path / "ready.json").write_text(text)
            inventory = subprocess.run(
                command("inventory", "-i", "rack.yaml", "--format", "netmiko", "--running",
                        "ready.json"),
                cwd=tmp_path, env=settings, capture_output=True, text=True, check=True, timeout=60,
            )  # fmt: skip
            assert yaml.safe_load(inventory.stdout)["branch2"]["port"] == port
            assert "s3cret" not in inventory.stdout + text
        finally:
            process.send_signal(signal.SIGINT)
            assert process.stderr.read() == ""
            assert process.wait(30) == 0


RACK = """
defaults: {profile: cisco-ios, lines: ["tcp:127.0.0.1:0"]}
devices:
- name: r{1..3}
"""


@pytest.mark.daemon
@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("--only", "r9"), 2, "rack.yaml: has no device 'r9'"),
        (("--profile", "cisco-ios"), 2, "the rack file says what --profile would"),
        (("--hostname", "R1", "--floor", "lab"), 2, "says what --hostname, --floor would"),
    ],
)
def test_a_wrong_option_ends_with_a_text(
    tmp_path: Path, words: tuple[str, ...], code: int, hint: str
) -> None:
    """A rack is described by its file; options that would say otherwise are refused."""
    (tmp_path / "rack.yaml").write_text(RACK)
    ended = run(tmp_path, "device", "serve", "-i", "rack.yaml", *words)
    assert ended.returncode == code
    assert hint in " ".join(ended.stderr.replace("│", " ").split())
    assert "Traceback" not in ended.stderr


@pytest.mark.daemon
def test_one_device_needs_profile_and_console(tmp_path: Path) -> None:
    """Without a rack they are not optional; --only has no meaning."""
    words = ("--profile", "cisco-ios", "--console", "tcp:127.0.0.1:0")
    assert "--profile is missing" in run(tmp_path, "device", "serve").stderr
    assert "--console is missing" in run(tmp_path, "device", "serve", *words[:2]).stderr
    assert "--only goes with -i" in run(tmp_path, "device", "serve", *words, "--only", "x").stderr


async def start(text: str, folder: Path) -> RunningRack:
    """A rack that is started and ended at once."""
    rack = read_rack(text, folder / "rack.yaml")
    planner = RackPlanner(rack, folder / "state")
    planner.check()
    async with running_rack(rack, planner, folder / "state") as running:
        return running


async def test_a_taken_port_leaves_nothing(tmp_path: Path) -> None:
    """The device is named, and none was made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = f"{RACK}- name: last\n  lines: [tcp:127.0.0.1:{port}]\n"
        with pytest.raises(RackError, match=r"rack.yaml:5: device last: .*the port is in use"):
            await start(text, tmp_path)
    assert os.listdir(tmp_path) == []


async def test_a_damaged_device_ends_those_before_it(tmp_path: Path) -> None:
    """The third of three cannot come up: it is named, and the ports of all are free again."""
    broken = tmp_path / "state" / "r3"
    broken.mkdir(parents=True, mode=0o700)
    (broken / "startup-config").write_bytes(b"\xff")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(RackError, match=r"rack.yaml:4: device r3: .*startup-config is damaged"):
        await start(RACK.replace(":0", ":42517"), tmp_path)
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) <= before
    (broken / "startup-config").unlink()
    running = await start(RACK.replace(":0", ":42517"), tmp_path)
    assert list(running.devices) == ["r1", "r2", "r3"]


async def test_a_rack_is_started_again_where_it_was(tmp_path: Path) -> None:
    """Each device has a folder of its own, with its saved configuration."""
    rack = read_rack(RACK, tmp_path / "rack.yaml")
    planner = RackPlanner(rack, tmp_path)
    for expected in (False, True):
        told: list[tuple[int, int]] = []

        def tell(done: int, wanted: int, told: list[tuple[int, int]] = told) -> None:
            told.append((done, wanted))

        async with running_rack(rack, planner, tmp_path, progress=tell) as running:
            hosted = running.devices["r2"]
            assert hosted.is_restored is expected
            console = hosted.device.open_console()
            console.open()
            for line in ("", "enable", "write memory"):
                console.receive(line.encode() + b"\r")
            await hosted.settle()
        assert told == [(3, 3)]
    assert not (tmp_path / "r1" / "startup-config").exists()


async def test_a_racks_server_is_found_again(tmp_path: Path) -> None:
    """Saved configurations point at it: any free port means that of the last start, if it is free.

    Another one is taken when somebody has it, and when the note of it is damaged.
    """
    text = RACK + "server: {challenge: none}\n"
    first = (await start(text, tmp_path)).server["scep_url"]
    assert (await start(text, tmp_path)).server["scep_url"] == first
    port = urlsplit(str(first)).port
    assert port is not None
    with socket.create_server(("127.0.0.1", port)):
        other = (await start(text, tmp_path)).server["scep_url"]
    assert other != first
    (tmp_path / "state" / "server" / PORT_FILE).write_text("99999999")
    assert (await start(text, tmp_path)).server["scep_url"]


async def test_a_thousand_devices_start_in_seconds(tmp_path: Path) -> None:
    """A bound ten times above what it takes, so that a lost shortcut shows and a slow day not."""
    text = RACK.replace("r{1..3}", "r{1..1000}") + "server: http://127.0.0.1:9/scep\n"
    started = time.perf_counter()
    running = await start(text, tmp_path)
    assert len(running.devices) == 1000
    assert time.perf_counter() - started < 15
    assert sum(1 for _ in (tmp_path / "state").glob("*/trustpoints")) == 1
    assert not list((tmp_path / "state").glob("*/keys"))
