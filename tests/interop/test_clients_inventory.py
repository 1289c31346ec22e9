"""The tools that inventories are made for read them and reach every device of a rack."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from tests.support.client_envs import client_python, run_client
from tests.support.programs import require_program
from tests.support.rack_process import RackProcess, serving_rack

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

RACK = """
state: lab-files
server: {profile: compat, challenge: none}
defaults:
  users: {admin: env:LAB_PASSWORD}
  enable_secret: env:LAB_ENABLE
  lines: ["ssh:127.0.0.1:0", "telnet:127.0.0.1:0"]
devices:
- {name: ios, profile: cisco-ios}
- {name: xe, profile: cisco-ios-xe}
- {name: edge, profile: cisco-ios-xe-26}
- {name: asa, profile: cisco-asa}
- {name: nx, profile: cisco-nxos}
- {name: fw, profile: fortinet-fortios}
- {name: pa, profile: paloalto-panos}
- {name: srx, profile: juniper-junos}
"""
PROMPTS = {
    "ios": "ios#", "xe": "xe#", "edge": "edge#", "asa": "asa#", "nx": "nx#", "fw": "fw #",
    "pa": "admin@pa>", "srx": "admin@srx>",
}  # fmt: skip
VERSIONS = {
    "ios": "Version 15.9", "xe": "Version 17.9", "edge": "Version 26",
    "asa": "Software Version 9.12", "nx": "version 9.3(8)", "fw": "FortiGate-60F",
    "pa": "hostname: pa", "srx": "Hostname: srx",
}  # fmt: skip
SECRETS = {"LAB_PASSWORD": "lab-login", "LAB_ENABLE": "lab-enable"}


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    """A rack with a device of every platform."""
    with serving_rack(tmp_path_factory.mktemp("rack"), RACK, SECRETS) as running:
        yield running


def test_netmiko_opens_all_devices_at_once(rack: RackProcess) -> None:
    """Prompts, privileges and versions of all platforms, from as many threads."""
    client_python("main")
    file = rack.inventory("netmiko")
    seen = run_client("main", "netmiko_inventory.py", str(file), **SECRETS)
    assert {name: device["prompt"] for name, device in seen.items()} == PROMPTS
    for name, text in VERSIONS.items():
        assert text in seen[name]["version"]


def test_ansible_asks_the_devices(rack: RackProcess, tmp_path: Path) -> None:
    """Groups and look-ups are right; facts, commands, and `raw` where Ansible has nothing else."""
    client_python("ansible")
    file = rack.inventory("ansible")
    seen = run_client("ansible", "ansible_inventory.py", str(tmp_path), str(file), **SECRETS)
    assert seen["list"]["cisco_ios_xe"]["hosts"] == ["xe"]
    assert set(seen["list"]["_meta"]["hostvars"]) == set(PROMPTS)
    facts = seen["facts"]["ios"]["ansible_facts"]
    assert facts["ansible_net_hostname"] == "ios"
    assert facts["ansible_net_version"].startswith("15.9")
    assert set(seen["cli"]) == {"xe", "nx", "srx"}
    for name, result in seen["cli"].items():
        assert VERSIONS[name] in result["stdout"]
    assert VERSIONS["fw"] in seen["raw"]


@pytest.mark.parametrize(("name", "command"), [
    ("xe", "show version"), ("fw", "get system status"), ("srx", "show version"),
])  # fmt: skip
def test_ssh_runs_a_command(rack: RackProcess, tmp_path: Path, name: str, command: str) -> None:
    """`ssh -F FILE DEVICE COMMAND` needs nothing else than the password."""
    ssh = require_program("ssh", package="openssh-client")
    answer = tmp_path / "answer"
    answer.write_text('#!/bin/sh\nprintf "%s\\n" "$LAB_PASSWORD"\n', encoding="utf-8")
    answer.chmod(0o700)
    environment = {"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}
    done = subprocess.run(
        [ssh, "-F", rack.inventory("ssh-config"), name, command],
        env={**os.environ, **SECRETS, **environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert VERSIONS[name] in done.stdout


@pytest.mark.parametrize(("name", "connection"), [("xe", "cli"), ("edge", "telnet")])
def test_pyats_enrolls_a_router_of_the_testbed(
    rack: RackProcess, name: str, connection: str
) -> None:
    """Trustpoint, enrollment, PEM and PKCS#12, removal: no call of the SDK fails."""
    client_python("parsers")
    server = rack.ready["server"]
    file = rack.inventory("testbed")
    arguments = (str(file), name, connection, server["scep_url"], server["ca_sha256"])
    seen = run_client("parsers", "unicon_testbed.py", *arguments, **SECRETS)
    shown = seen["exported"].replace("\r", "")
    *_, own = re.findall(r"-----BEGIN CERT.*?-----END CERTIFICATE-----", shown, re.DOTALL)
    certificate = load_pem_x509_certificate(own.encode())
    issued = (rack.folder / server["ca_file"]).read_bytes()
    certificate.verify_directly_issued_by(load_pem_x509_certificate(issued))
    for output, trustpoint in (("parsed", "PYATS"), ("copied", "COPY")):
        held = seen[output]["trustpoints"][trustpoint]["associated_trustpoints"]
        (read,) = held["certificate"]
        assert int(read["serial_number_in_hex"], 16) == certificate.serial_number
        assert read["subject"]["cn"] == "R1"
    start = shown.index("-----BEGIN RSA PRIVATE KEY-----")
    key = load_pem_private_key(shown[start:].partition("\n\n% ")[0].encode(), b"carried-12")
    assert key.public_key() == certificate.public_key()
    assert f"{certificate.serial_number:X}" not in seen["removed"]
    assert "PYATS" in seen["left"]
    assert "COPY" not in seen["left"]
