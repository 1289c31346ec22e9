"""`sceplab device serve` as a process: wrong options, taken ports, key stores, restarts."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sceplab_devices.errors import DeviceError
from sceplab_lab.lab_trustpoint import prepare_trustpoint
from tests.support.served_device import open_site
from tests.unit.lab.test_cli import run
from tests.unit.lab.test_demo import command, environment

CONSOLE = ("--profile", "cisco-ios", "--console", "tcp:127.0.0.1:0")


@pytest.mark.daemon
@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("--server", "ftp://ca.example.test/x"), 2, "must start with http:// or https://"),
        (("--server", "http://ca.example.test/a b"), 2, "must be percent-escaped"),
        (("--server", "http://ca.example.test/a\rend"), 2, "must be percent-escaped"),
        (("--server", "http:///scep"), 2, "names no host"),
        (("--server", "http://u:p@ca.example.test/"), 2, "user name or password"),
        (("--hostname", "R 1"), 2, "expected: a letter, then letters"),
        (("--hostname", "R1\renable"), 2, "expected: a letter, then letters"),
        (("--keys-secret", "env:PIN"), 2, "belongs to --keys"),
        (("--keys", "token:x"), 6, "no key store has the scheme 'token:'"),
        (("--keys", "soft:keys", "--keys-secret", "env:NO_SUCH"), 6, "NO_SUCH is not set"),
    ],
)
def test_a_wrong_option_ends_with_a_text(
    tmp_path: Path, words: tuple[str, ...], code: int, hint: str
) -> None:
    """Exit code, cause and what would be right; no traceback."""
    ended = run(tmp_path, "device", "serve", *CONSOLE, "--state", "r1", *words)
    assert ended.returncode == code
    assert hint in ended.stderr
    assert "Traceback" not in ended.stderr
    if code == 2:
        assert not (tmp_path / "r1").exists()


@pytest.mark.daemon
def test_a_taken_port_leaves_nothing(tmp_path: Path) -> None:
    """The text says what to do, and there is no new state folder."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        console = f"telnet:127.0.0.1:{taken.getsockname()[1]}"
        words = ("--profile", "cisco-ios", "--console", "tcp:127.0.0.1:0", "--console", console)
        ended = run(tmp_path, "device", "serve", *words, "--state", "r1")
    assert ended.returncode == 2
    assert "the port is in use; choose another one, or 0 for any free port" in ended.stderr
    assert list(tmp_path.iterdir()) == []


@contextmanager
def served(home: Path, *words: str) -> Iterator[dict[str, Any]]:
    """A device as a process, until the block ends; what it said when it was up."""
    with subprocess.Popen(
        command("device", "serve", *CONSOLE, "--state", "r1", "--json", *words),
        cwd=home,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready: dict[str, Any] = json.loads(process.stdout.readline())
        try:
            yield ready
        finally:
            process.send_signal(signal.SIGTERM)
            ready["stderr"] = process.stderr.read()
            assert process.wait(30) == 0


def typed(ready: dict[str, Any], *lines: str) -> str:
    """Types lines at the console, the last one a `show running-config`; all it printed."""
    port = int(ready["consoles"][0].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as console:
        console.sendall(b"\r\renable\rterminal length 0\r")
        for line in (*lines, "show running-config"):
            console.sendall(line.encode() + b"\r")
        shown = b""
        while b"\nend\r\n" not in shown:
            shown += console.recv(4096)
        return shown.decode()


@pytest.mark.daemon
def test_the_server_is_configured_as_given_and_once(tmp_path: Path) -> None:
    """A URL with a query arrives whole; a saved configuration wins over another URL."""
    url = "http://127.0.0.1:9/scep?site=a&x=%3F"
    with served(tmp_path, "--server", url) as ready:
        assert ready["server"] == url
        assert f"enrollment url {url}" in typed(ready, "write memory")
    assert ready["stderr"] == ""
    with served(tmp_path, "--server", "http://127.0.0.1:9/other") as ready:
        assert ready["server"] == url
        assert f"enrollment url {url}" in typed(ready)
    assert (
        f"the server is not used: the saved configuration has trustpoint LAB at {url}"
        in (ready["stderr"])
    )
    with served(tmp_path, "--server", url) as ready:
        assert ready["server"] == url
    assert ready["stderr"] == ""


@pytest.mark.daemon
def test_keys_live_where_the_option_says(tmp_path: Path) -> None:
    """Another store is used, and named; the state folder holds no keys then."""
    (tmp_path / "pin").write_text("secret\n")
    (tmp_path / "pin").chmod(0o600)
    words = ("--keys", "tpm-stub:chip", "--keys-secret", "file:pin")
    with served(tmp_path, *words) as ready:
        assert ready["keys"].startswith("tpm-stub:")
        shown = typed(
            ready, "configure terminal", "crypto key generate ec keysize 256 label E", "end",
            "show crypto key mypubkey ec",
        )  # fmt: skip
    assert " On Cryptographic Device: tpm-stub (label=E" in shown
    assert not (tmp_path / "r1" / "keys").exists()
    refused = run(
        tmp_path, "device", "serve", *CONSOLE, "--state", "r1", "--keys", "tpm-stub:nowhere/at/all",
        "--keys-secret", "file:none",
    )  # fmt: skip
    assert refused.returncode == 6


async def test_a_url_without_its_port_is_the_same_url(tmp_path: Path) -> None:
    """The configuration writes the port that was not typed; that is no other server."""
    async with open_site(tmp_path / "r1") as site:
        async with site.device() as operator:
            device = operator.hosted.device
            assert prepare_trustpoint(device, "http://ca.example.test/scep") == ""
            await operator.type("do write memory")
        async with site.device() as operator:
            device = operator.hosted.device
            assert prepare_trustpoint(device, "http://ca.example.test/scep") == ""
            remark = prepare_trustpoint(device, "http://ca.example.test:81/scep")
            assert "the server is not used" in remark


async def test_a_url_the_device_does_not_take_is_an_error(tmp_path: Path) -> None:
    """What was configured is looked at, not assumed."""
    async with open_site(tmp_path / "r1") as site, site.device() as operator:
        with pytest.raises(DeviceError, match="refuses it"):
            prepare_trustpoint(operator.hosted.device, "http://ca.example.test/a b")
