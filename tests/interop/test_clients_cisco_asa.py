"""Unmodified netmiko runs a whole enrollment on an emulated ASA, over SSH."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from tests.support.client_envs import client_python, run_client
from tests.support.hosted import ENABLE_PASSWORD, PASSWORD, USER, serve_device
from tests.support.server import make_server, serve_in_thread

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


def now() -> datetime:
    """Firewall and server look at the real clock."""
    return datetime.now(UTC)


@pytest.mark.parametrize("way", ["enable", "login"])
def test_netmiko_enrolls(tmp_path: Path, way: str) -> None:
    """It gets its rights either way, configures, authenticates, enrolls, reads and saves."""
    client_python("main")
    state = make_server("compat", now=now())
    with (
        serve_in_thread(state, now) as server,
        serve_device("cisco-asa", tmp_path, ["ssh:127.0.0.1:0"], users={USER: PASSWORD}) as hosted,
    ):
        endpoint = hosted.lines[0].endpoint
        issued = state.challenge.issue("admin", now())
        assert issued is not None
        pin = state.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
        secrets: dict[str, Any] = {
            "USER_NAME": USER,
            "PASSWORD": PASSWORD,
            "CHALLENGE": issued.reveal(),
        }
        if way == "enable":
            secrets["ENABLE_PASSWORD"] = ENABLE_PASSWORD
        seen = run_client(
            "main", "netmiko_cisco_asa.py", endpoint.host, str(endpoint.port), server.scep_url, pin,
            **secrets,
        )  # fmt: skip
        (record,) = state.administration.certificates()
    rights = "enable_15" if way == "enable" else USER
    assert f"Username : {rights}\nCurrent privilege level : 15" in seen["rights"]
    assert "Software Version 9.12(2)" in seen["version"]
    assert "Trustpoint CA certificate accepted." in seen["trusted"]
    assert "% The subject name in the certificate will be: CN=asa,O=Example" in seen["asked"]
    assert "% Certificate request sent to Certificate Authority" in seen["sent"]
    assert f"Certificate Serial Number: {record.serial.lower()}" in seen["certificates"]
    assert "    cn=asa\n    o=Example\n" in seen["certificates"]
    assert "crypto ca trustpoint LAB\n enrollment url " in seen["configuration"]
    assert "%ASA-6-717003" in seen["log"]
    assert "(config-tunnel-ipsec)#" in seen["tunnel"]
    assert "Building configuration..." in seen["saved"]
    assert "[OK]" in seen["saved"]
