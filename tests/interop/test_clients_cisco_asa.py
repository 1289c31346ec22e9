"""Unmodified netmiko runs a whole enrollment on an emulated ASA, over SSH."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from tests.support.client_envs import client_python
from tests.support.client_stage import open_stage
from tests.support.hosted import USER

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


@pytest.mark.parametrize("way", ["enable", "login"])
def test_netmiko_enrolls(tmp_path: Path, way: str) -> None:
    """It gets its rights either way, configures, authenticates, enrolls, reads and saves."""
    client_python("main")
    with open_stage("cisco-asa", tmp_path, "ssh:127.0.0.1:0") as stage:
        if way == "login":
            del stage.login["ENABLE_PASSWORD"]
        pin = stage.fingerprint(hashes.SHA256()).hex()
        seen = stage.run("main", "netmiko_cisco_asa.py", pin=pin)
        serial = stage.issued().serial
    rights = "enable_15" if way == "enable" else USER
    assert f"Username : {rights}\nCurrent privilege level : 15" in seen["rights"]
    assert "Software Version 9.12(2)" in seen["version"]
    assert "Trustpoint CA certificate accepted." in seen["trusted"]
    assert "% The subject name in the certificate will be: CN=asa,O=Example" in seen["asked"]
    assert "% Certificate request sent to Certificate Authority" in seen["sent"]
    assert f"Certificate Serial Number: {serial.lower()}" in seen["certificates"]
    assert "    cn=asa\n    o=Example\n" in seen["certificates"]
    assert "crypto ca trustpoint LAB\n enrollment url " in seen["configuration"]
    assert "%ASA-6-717003" in seen["log"]
    assert "(config-tunnel-ipsec)#" in seen["tunnel"]
    assert "Building configuration..." in seen["saved"]
    assert "[OK]" in seen["saved"]
