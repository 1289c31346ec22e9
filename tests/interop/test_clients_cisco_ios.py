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
        yield Lab(state, server.scep_url, endpoint.host, str(endpoint.port))


@pytest.mark.parametrize(
    ("environment", "program", "how"),
    [
        ("main", "netmiko_cisco_ios.py", "cisco_ios_telnet"),
        ("main", "scrapli_cisco_ios.py", "telnet"),
        ("scrapli2026", "scrapli2026_cisco_ios.py", "telnet"),
    ],
)
def test_telnet_client_enrolls(tmp_path: Path, environment: str, program: str, how: str) -> None:
    """It configures, authenticates, enrolls and reads the certificate over Telnet."""
    client_python(environment)
    with open_lab(tmp_path, "telnet:127.0.0.1:0") as lab:
        lab.check(lab.run(environment, program, how))
