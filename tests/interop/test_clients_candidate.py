"""Unmodified netmiko runs whole enrollments on platforms with a candidate configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from tests.support.client_envs import client_python
from tests.support.client_stage import open_stage
from tests.support.hosted import USER

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

LINE = "ssh:127.0.0.1:0"


def test_netmiko_enrolls_an_srx(tmp_path: Path) -> None:
    """Session preparation, commits of every kind, CA by fingerprint, enrollment, hand-off."""
    client_python("main")
    with open_stage("juniper-junos", tmp_path, LINE, hostname="srx") as stage:
        pin = stage.fingerprint(hashes.SHA1()).hex(":")
        seen = stage.run("main", "netmiko_juniper_junos.py", pin=pin)
        serial = stage.issued().serial
    assert seen["prompt"] == f"{USER}@srx>"
    assert seen["version"][0]["hostname"] == "srx"
    assert "+   security {" in seen["compare"]
    assert "configuration check succeeds" in seen["checked"]
    assert "commit complete\nExiting configuration mode" in seen["committed"]
    assert "CA certificate for profile Root loaded successfully" in seen["trusted"]
    assert seen["key"].strip() == "Generated key pair LOCAL, key size 2048 bits"
    assert seen["started"].startswith("Certificate enrollment has started.")
    assert f"  Serial number: {serial.lower()}" in seen["certificate"]
    assert "  Subject string:\n    CN=srx, O=Example" in seen["certificate"]
    assert "email empty, srx.example.test, ipv4 empty" in seen["certificate"]
    assert seen["verified"].strip() == "Local certificate LOCAL verification success"
    assert f"certificate LOCAL received and loaded, serial {serial.lower()}" in seen["log"]
    assert "has been changed but not committed" in seen["left waiting"]
    assert "commit complete" in seen["handoff"]
    assert "ike policy POL certificate local-certificate LOCAL" in seen["configuration"]
    assert seen["error"].strip().endswith("syntax error, expecting <command>.")


def test_netmiko_enrolls_a_panos_firewall(tmp_path: Path) -> None:
    """Session preparation, SCEP profile, commit jobs, certificate, hand-off."""
    client_python("main")
    with open_stage("paloalto-panos", tmp_path, LINE, hostname="PA-VM") as stage:
        challenge = stage.challenge()
        pin = stage.fingerprint(hashes.SHA1()).hex()
        seen = stage.run("main", "netmiko_paloalto_panos.py", pin=pin, challenge=challenge)
        serial = stage.issued().serial
    assert seen["prompt"] == f"{USER}@PA-VM>"
    assert seen["system"][0]["hostname"] == "PA-VM"
    assert "Configuration committed successfully" in seen["committed"]
    assert seen["issued"].startswith("Certificate fw was issued by the SCEP server.")
    assert f"db-serialno: {serial.upper().lstrip('0')}" in seen["store"]
    assert "db-name: /O=Example/CN=PA-VM" in seen["store"]
    assert "Configuration committed successfully" in seen["handoff"]
    assert "scep: certificate fw issued" in seen["log"]
    assert "There is no IKEv2 SA found." in seen["ike"]
    assert challenge not in seen["running"]
    assert "name fw;" in seen["running"]
    assert "public-key " in seen["running"]
    assert seen["error"].strip() == "Unknown command: sett"
