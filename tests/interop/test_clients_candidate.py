"""Unmodified netmiko runs whole enrollments on platforms with a candidate configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_devices.lines.endpoint import Endpoint
from tests.support.client_envs import client_python, run_client
from tests.support.hosted import LOGIN, PASSWORD, USER, serve_device
from tests.support.server import make_server, serve_in_thread

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


def now() -> datetime:
    """Box and server look at the real clock."""
    return datetime.now(UTC)


@dataclass
class Stage:
    """A server and a box that listens."""

    endpoint: Endpoint
    url: str
    pin: bytes
    """SHA-1 of the CA certificate."""
    challenge: str
    serials: list[str]

    def run(self, program: str, pin: str) -> Any:
        """What the client saw."""
        secrets: dict[str, Any] = {**LOGIN, "CHALLENGE": self.challenge}
        return run_client(
            "main", program, self.endpoint.host, str(self.endpoint.port), self.url, pin, **secrets
        )


@contextmanager
def stage(profile: str, hostname: str, folder: Path) -> Iterator[Stage]:
    """Everything a client needs; `Stage.serials` is filled at the end."""
    client_python("main")
    state = make_server("compat", now=now())
    with (
        serve_in_thread(state, now) as server,
        serve_device(
            profile, folder, ["ssh:127.0.0.1:0"], users={USER: PASSWORD}, hostname=hostname
        ) as hosted,
    ):
        issued = state.challenge.issue("admin", now())
        assert issued is not None
        pin = state.hierarchy.root.certificate.fingerprint(hashes.SHA1())
        set_up = Stage(hosted.lines[0].endpoint, server.scep_url, pin, issued.reveal(), [])
        yield set_up
        set_up.serials += [record.serial for record in state.administration.certificates()]


def test_netmiko_enrolls_an_srx(tmp_path: Path) -> None:
    """Session preparation, commits of every kind, CA by fingerprint, enrollment, hand-off."""
    with stage("juniper-junos", "srx", tmp_path) as set_up:
        seen = set_up.run("netmiko_juniper_junos.py", set_up.pin.hex(":"))
    (serial,) = set_up.serials
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
    with stage("paloalto-panos", "PA-VM", tmp_path) as set_up:
        seen = set_up.run("netmiko_paloalto_panos.py", set_up.pin.hex())
    (serial,) = set_up.serials
    assert seen["prompt"] == f"{USER}@PA-VM>"
    assert seen["system"][0]["hostname"] == "PA-VM"
    assert "Configuration committed successfully" in seen["committed"]
    assert seen["issued"].startswith("Certificate fw was issued by the SCEP server.")
    assert f"db-serialno: {serial.upper().lstrip('0')}" in seen["store"]
    assert "db-name: /O=Example/CN=PA-VM" in seen["store"]
    assert "Configuration committed successfully" in seen["handoff"]
    assert "scep: certificate fw issued" in seen["log"]
    assert "There is no IKEv2 SA found." in seen["ike"]
    assert set_up.challenge not in seen["running"]
    assert "name fw;" in seen["running"]
    assert "public-key " in seen["running"]
    assert seen["error"].strip() == "Unknown command: sett"
