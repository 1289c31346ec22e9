"""An unmodified netmiko runs a whole enrollment on an emulated FortiGate over SSH."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from tests.support.client_envs import client_python
from tests.support.client_stage import open_stage

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


def test_netmiko_enrolls(tmp_path: Path) -> None:
    """Session preparation, CA import with fingerprint, enrollment, hand-off, output mode back."""
    client_python("main")
    with open_stage("fortinet-fortios", tmp_path, "ssh:127.0.0.1:0", hostname="FW") as stage:
        pin = stage.fingerprint(hashes.SHA256()).hex(":")
        seen = stage.run("main", "netmiko_fortinet.py", pin=pin)
        serial = bytes.fromhex(stage.issued().serial).hex(":")
    assert seen["prompt"] == "FW #"
    assert seen["trusted"] == seen["requested"] == "Done."
    assert f"Serial Num:  {serial.lower()}" in seen["details"]
    assert "Subject:     C = NL, ST = NH, L = Amsterdam, O = Example, CN = fw" in seen["details"]
    assert "Command fail" not in seen["configured"]
    assert 'set certificate "IPSECVPN"' in seen["phase1"]
    assert "set auto-regenerate-days 30" in seen["filtered"]
    assert seen["output"].split() == ["output", ":", "standard"]
    assert seen["mode before"] == "more"
    parsed = seen["parsed"]
    assert all(isinstance(rows, list) for rows in parsed.values()), (
        "a text is what no template reads"
    )
    assert parsed["get system status"][0]["hostname"] == "FW"
    names = [row["name"] for row in parsed["get system interface"]]
    assert names == ["wan1", "wan2", "dmz", "internal"]
    assert "Certificate is loaded" in parsed["execute log display"][0]["message"]
    assert "CA_Cert_1" in seen["authorities"]
