"""An unmodified netmiko runs a whole enrollment on an emulated FortiGate over SSH."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from tests.support.client_envs import client_python, run_client
from tests.support.hosted import LOGIN, PASSWORD, USER, serve_device
from tests.support.server import make_server, serve_in_thread

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


def now() -> datetime:
    """Box and server look at the real clock."""
    return datetime.now(UTC)


def test_netmiko_enrolls(tmp_path: Path) -> None:
    """Session preparation, CA import with fingerprint, enrollment, hand-off, output mode back."""
    client_python("main")
    state = make_server("compat", now=now())
    with (
        serve_in_thread(state, now) as server,
        serve_device(
            "fortinet-fortios", tmp_path, ["ssh:127.0.0.1:0"], users={USER: PASSWORD}, hostname="FW"
        ) as hosted,
    ):
        endpoint = hosted.lines[0].endpoint
        pin = state.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex(":")
        issued = state.challenge.issue("admin", now())
        assert issued is not None
        seen = run_client(
            "main", "netmiko_fortinet.py", endpoint.host, str(endpoint.port), server.scep_url, pin,
            CHALLENGE=issued.reveal(), **LOGIN,
        )  # fmt: skip
        (record,) = state.administration.certificates()
    serial = bytes.fromhex(record.serial).hex(":")
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
