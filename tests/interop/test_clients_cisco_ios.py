"""Unmodified console clients of others run a whole enrollment on an emulated IOS router."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_ndes.state import ServerState
from tests.support.client_envs import client_python, run_client
from tests.support.hosted import ENABLE_PASSWORD, LOGIN, PASSWORD, USER, serve_device
from tests.support.programs import require_program
from tests.support.server import make_server, serve_in_thread

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


def now() -> datetime:
    """Router and server look at the real clock."""
    return datetime.now(UTC)


@dataclass
class Lab:
    """A server and a router with one line."""

    state: ServerState
    url: str
    host: str
    port: str

    @property
    def pin(self) -> str:
        """Fingerprint of the CA."""
        return self.state.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()

    def challenge(self) -> str:
        """A one-time password."""
        issued = self.state.challenge.issue("admin", now())
        assert issued is not None
        return issued.reveal()

    def run(self, environment: str, program: str, how: str, *, login: bool = False) -> Any:
        """Runs a client program against the router."""
        variables = LOGIN if login else {"ENABLE_PASSWORD": ENABLE_PASSWORD}
        arguments = (how, self.host, self.port, self.url, self.pin)
        return run_client(environment, program, *arguments, CHALLENGE=self.challenge(), **variables)

    def check(self, seen: Any) -> None:
        """What the client saw is what the server issued."""
        (record,) = self.state.administration.certificates()
        assert record.serial.upper() in seen["certificates"]
        assert "cn=R1" in seen["certificates"]
        assert "Version" in seen["version"]
        assert "fingerprints matched" in seen["trusted"]
        assert "% Certificate request sent" in seen["sent"]
        assert seen["filtered"].split() == ["Status:", "Available"] * 2


@contextmanager
def open_lab(folder: Path, line: str, *, login: bool = False) -> Iterator[Lab]:
    """A server and a router whose only line is ``line``."""
    state = make_server("compat", now=now())
    plan = {"users": {USER: PASSWORD}} if login else {}
    with (
        serve_in_thread(state, now) as server,
        serve_device("cisco-ios", folder, [line], **plan) as hosted,
    ):
        endpoint = hosted.lines[0].endpoint
        if endpoint.kind == "pty":
            yield Lab(state, server.scep_url, endpoint.path, "115200")
        else:
            yield Lab(state, server.scep_url, endpoint.host, str(endpoint.port))


@pytest.mark.parametrize(
    ("environment", "program", "how", "line"),
    [
        ("main", "netmiko_cisco_ios.py", "cisco_ios_telnet", "telnet"),
        ("main", "netmiko_cisco_ios.py", "cisco_ios", "ssh"),
        ("main", "scrapli_cisco_ios.py", "telnet", "telnet"),
        ("main", "scrapli_cisco_ios.py", "paramiko", "ssh"),
        ("main", "scrapli_cisco_ios.py", "system", "ssh"),
        ("scrapli2026", "scrapli2026_cisco_ios.py", "telnet", "telnet"),
        ("scrapli2026", "scrapli2026_cisco_ios.py", "bin", "ssh"),
        ("scrapli2026", "scrapli2026_cisco_ios.py", "ssh2", "ssh"),
    ],
)
def test_client_enrolls(
    tmp_path: Path, environment: str, program: str, how: str, line: str
) -> None:
    """It logs in, configures, authenticates, enrolls and reads the certificate."""
    client_python(environment)
    if how in {"system", "bin"}:
        require_program("ssh", package="openssh-client")
    is_ssh = line == "ssh"
    with open_lab(tmp_path, f"{line}:127.0.0.1:0", login=is_ssh) as lab:
        lab.check(lab.run(environment, program, how, login=is_ssh))


def test_netmiko_enrolls_at_a_serial_console(tmp_path: Path) -> None:
    """The same at a pseudo-terminal; netmiko's list of ports is the only thing that is patched."""
    client_python("main")
    with open_lab(tmp_path / "state", f"pty:{tmp_path}/ttyR1?baud=115200") as lab:
        seen = lab.run("main", "netmiko_cisco_ios.py", "cisco_ios_serial")
        lab.check(seen)
    assert "[OK]" in seen["saved"]
    assert "crypto pki trustpoint LAB" in seen["configuration"]


@pytest.mark.parametrize("line", ["telnet", "ssh"])
def test_napalm_reads_the_router(tmp_path: Path, line: str) -> None:
    """Facts, interfaces and configurations are the router's own."""
    client_python("main")
    with open_lab(tmp_path, f"{line}:127.0.0.1:0", login=True) as lab:
        arguments = (line, lab.host, lab.port)
        seen = run_client("main", "napalm_cisco_ios.py", *arguments, **LOGIN)
    facts = seen["facts"]
    assert facts["hostname"] == "R1"
    assert facts["vendor"] == "Cisco"
    assert "15.9" in facts["os_version"]
    assert facts["interface_list"] == list(seen["interfaces"])
    assert "GigabitEthernet0/0" in facts["interface_list"]
    assert seen["interfaces"]["GigabitEthernet0/0"]["is_enabled"] is False
    assert "hostname R1" in seen["config"]["running"]
    assert "Version" in seen["cli"]["show version | include Version"]
    assert seen["is_alive"]["is_alive"] is True


def test_ansible_enrolls_and_reads_the_router(tmp_path: Path) -> None:
    """`ios_facts`, `ios_config`, `ios_command` and `cli_command` with prompts."""
    client_python("ansible")
    folder = tmp_path / "ansible"
    folder.mkdir()
    with open_lab(tmp_path / "state", "ssh:127.0.0.1:0", login=True) as lab:
        arguments = (str(folder), lab.host, lab.port, lab.url, lab.pin)
        challenge = lab.challenge()
        seen = run_client(
            "ansible", "ansible_cisco_ios.py", *arguments, CHALLENGE=challenge, **LOGIN
        )
        (record,) = lab.state.administration.certificates()
    facts = seen["facts"]["ansible_facts"]
    assert facts["ansible_net_hostname"] == "R1"
    assert "GigabitEthernet0/0" in facts["ansible_net_interfaces"]
    assert seen["configure"]["changed"] is True
    assert seen["again"]["changed"] is False
    assert "fingerprints matched" in seen["authenticate"]["stdout"]
    assert "% Certificate request sent" in seen["enroll"]["stdout"]
    assert record.serial.upper() in seen["show"]["stdout"][0]
