"""Unmodified console clients of others run a whole enrollment on an emulated IOS router."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from tests.support.client_envs import client_python, run_client
from tests.support.client_stage import Stage, open_stage

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


def run_netmiko(stage: Stage, device_type: str) -> None:
    """What netmiko reads is what the server issued."""
    pin = stage.fingerprint(hashes.SHA256()).hex()
    seen = stage.run("main", "netmiko_cisco_ios.py", device_type, pin=pin)
    assert stage.issued().serial.upper() in seen["certificates"]
    assert "cn=R1" in seen["certificates"]
    assert "Version" in seen["version"]
    assert "fingerprints matched" in seen["trusted"]
    assert "% Certificate request sent" in seen["sent"]
    assert seen["filtered"].split() == ["Status:", "Available"] * 2
    assert "[OK]" in seen["saved"]
    assert "crypto pki trustpoint LAB" in seen["configuration"]


@pytest.mark.parametrize(
    ("device_type", "line"), [("cisco_ios_telnet", "telnet"), ("cisco_ios", "ssh")]
)
def test_netmiko_enrolls(tmp_path: Path, device_type: str, line: str) -> None:
    """It logs in, configures, authenticates, enrolls and reads the certificate."""
    client_python("main")
    with open_stage("cisco-ios", tmp_path, f"{line}:127.0.0.1:0", login=line == "ssh") as stage:
        run_netmiko(stage, device_type)


def test_netmiko_enrolls_at_a_serial_console(tmp_path: Path) -> None:
    """The same at a pseudo-terminal; netmiko's list of ports is the only thing that is patched."""
    client_python("main")
    line = f"pty:{tmp_path}/ttyR1?baud=115200"
    with open_stage("cisco-ios", tmp_path / "state", line, login=False) as stage:
        run_netmiko(stage, "cisco_ios_serial")


@pytest.mark.parametrize("line", ["telnet", "ssh"])
def test_napalm_reads_the_router(tmp_path: Path, line: str) -> None:
    """Facts, interfaces and configurations are the router's own."""
    client_python("main")
    with open_stage("cisco-ios", tmp_path, f"{line}:127.0.0.1:0") as stage:
        seen = run_client("main", "napalm_cisco_ios.py", line, *stage.where, **stage.login)
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
    with open_stage("cisco-ios", tmp_path / "state", "ssh:127.0.0.1:0") as stage:
        pin = stage.fingerprint(hashes.SHA256()).hex()
        seen = stage.run("ansible", "ansible_cisco_ios.py", str(folder), pin=pin)
        serial = stage.issued().serial
    facts = seen["facts"]["ansible_facts"]
    assert facts["ansible_net_hostname"] == "R1"
    assert "GigabitEthernet0/0" in facts["ansible_net_interfaces"]
    assert seen["configure"]["changed"] is True
    assert seen["again"]["changed"] is False
    assert "fingerprints matched" in seen["authenticate"]["stdout"]
    assert "% Certificate request sent" in seen["enroll"]["stdout"]
    assert serial.upper() in seen["show"]["stdout"][0]
