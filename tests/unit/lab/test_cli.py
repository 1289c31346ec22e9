"""`sceplab` and `sceplab device` as processes."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from sceplab_hsm.pkcs11.uri import Pkcs11Uri
from tests.unit.lab.test_demo import command, environment

pytestmark = pytest.mark.daemon


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        command(*words), cwd=home, env=environment(home), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_help_names_every_part(tmp_path: Path) -> None:
    """The help lists demo, server, devices and agent, and the exit codes."""
    shown = run(tmp_path, "--help").stdout
    for word in ("demo", "ndes", "device", "agent", "Exit codes"):
        assert word in shown


@pytest.mark.parametrize("words", ["demo", "wire", "inventory", "device serve", "device replay"])
def test_each_example_of_a_help_has_a_line_of_its_own(tmp_path: Path, words: str) -> None:
    """Examples can be copied from the terminal: the help does not run them together."""
    shown = run(tmp_path, *words.split(), "--help").stdout
    head, *examples = shown[shown.index("Examples:") :].splitlines()
    assert head == "Examples:"
    assert examples[0].startswith(f"    sceplab {words} ") or examples[0] == f"    sceplab {words}"


@pytest.mark.parametrize("words", [("device", "serve"), ("ndes", "serve")])
def test_the_tokens_of_the_examples_can_be_named_so(tmp_path: Path, words: tuple[str, ...]) -> None:
    """What the help gives as the URI of a token is one."""
    shown = " ".join(run(tmp_path, *words, "--help").stdout.split())
    uris = re.findall(r"pkcs11:[^\s'.]+", shown)
    assert len(uris) == 2
    for uri in uris:
        assert Pkcs11Uri.parse(uri).module_name == "softhsm2"


def test_agent_arguments_reach_the_agents_parser(tmp_path: Path) -> None:
    """`sceplab agent` is the agent's own command line, without Typer."""
    shown = run(tmp_path, "agent", "--help").stdout
    assert shown.startswith("usage: sceplab-agent")


def test_device_profiles_are_listed(tmp_path: Path) -> None:
    """Profiles are listed as text and as JSON."""
    assert "\ncisco-ios  " in "\n" + run(tmp_path, "device", "profiles").stdout
    listed = json.loads(run(tmp_path, "device", "profiles", "--json").stdout)
    assert "cisco-ios" in {row["name"] for row in listed}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--profile", "cisco-iso", "--console", "tcp:127.0.0.1:0"), "cisco-ios"),
        (("--profile", "cisco-ios", "--console", "modem:127.0.0.1:0"), "known: tcp, telnet"),
        (("--profile", "cisco-ios", "--console", "tcp:127.0.0.1:0", "--floor", "low"), "modern"),
    ],
)
def test_wrong_options_name_the_right_ones(
    tmp_path: Path, words: tuple[str, ...], hint: str
) -> None:
    """A mistake ends with exit code 2 and a text that names what is known."""
    ended = run(tmp_path, "device", "serve", *words)
    assert ended.returncode == 2
    assert hint in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_device_serves_a_console_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """A served device answers at its console with its trustpoint; a signal ends it cleanly."""
    words = ("--profile", "cisco-ios", "--console", "tcp:127.0.0.1:0", "--hostname", "R7")
    with subprocess.Popen(
        command("device", "serve", *words, "--server", "http://127.0.0.1:9/scep", "--json"),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        port = int(ready["consoles"][0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as console:
            console.sendall(b"\r\renable\rterminal length 0\rshow running-config\r")
            shown = b""
            while not shown.endswith(b"end\r\n\r\nR7#"):
                shown += console.recv(4096)
        process.send_signal(number)
        assert process.wait(30) == 0
    assert b"crypto pki trustpoint LAB" in shown
    assert b"enrollment url http://127.0.0.1:9/scep" in shown
    assert list(tmp_path.iterdir()) == []
