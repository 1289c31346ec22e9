"""pyATS drives routers through the PKI dialogs with its own calls."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.support.client_envs import client_python, run_client
from tests.support.hosted import LOGIN, PASSWORD, USER, serve_device
from tests.support.server import make_server, serve_in_thread

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


def now() -> datetime:
    """Router and server look at the real clock."""
    return datetime.now(UTC)


def test_pyats_enrolls_exports_and_imports(tmp_path: Path) -> None:
    """Connection, trustpoint, enrollment, PEM and PKCS#12, removal: no call of the SDK fails."""
    client_python("parsers")
    state = make_server("compat", now=now())
    challenge = state.challenge.issue("admin", now())
    assert challenge is not None
    pin = state.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
    line = "telnet:127.0.0.1:0"
    with (
        serve_in_thread(state, now) as server,
        serve_device("cisco-ios-xe", tmp_path, [line], users={USER: PASSWORD}) as hosted,
    ):
        endpoint = hosted.lines[0].endpoint
        arguments = ("iosxe", endpoint.host, str(endpoint.port), server.scep_url, pin)
        seen = run_client(
            "parsers", "unicon_cisco_ios.py", *arguments, CHALLENGE=challenge.reveal(), **LOGIN
        )
        (record,) = state.administration.certificates()
    for output in (seen["certificates"], seen["copied"]):
        assert record.serial.upper() in output
    private = seen["exported"].partition("-----BEGIN RSA PRIVATE KEY-----")
    pem = "".join(private[1:]).partition("-----END RSA PRIVATE KEY-----")
    load_pem_private_key("".join(pem[:2]).replace("\r", "").encode(), b"carried-12")
    assert record.serial.upper() not in seen["removed"]
    assert seen["left"].split() == ["crypto", "pki", "trustpoint", "LAB"]
