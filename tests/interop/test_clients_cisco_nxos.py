"""Unmodified netmiko enrolls an emulated NX-OS switch by hand; parsers read its outputs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_ndes.carried_request import sign_carried
from tests.support.client_envs import client_python, run_client
from tests.support.hosted import PASSWORD, USER, serve_device
from tests.support.nxos import SwitchBench
from tests.support.server import make_server

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


def now() -> datetime:
    """Switch and CA look at the real clock."""
    return datetime.now(UTC)


def test_netmiko_carries_request_and_certificate(tmp_path: Path) -> None:
    """It configures, authenticates, takes the request to the CA, imports, reads and saves."""
    client_python("main")
    state = make_server("compat", now=now())
    ca, certificate = tmp_path / "ca.pem", tmp_path / "certificate.pem"
    ca.write_bytes(state.hierarchy.root.certificate.public_bytes(Encoding.PEM))
    folder, users = tmp_path / "switch", {USER: PASSWORD}
    with serve_device("cisco-nxos", folder, ["ssh:127.0.0.1:0"], users=users) as hosted:
        endpoint = hosted.lines[0].endpoint

        def run(step: str, path: Path) -> Any:
            return run_client(
                "main", "netmiko_cisco_nxos.py", endpoint.host, str(endpoint.port), step,
                str(path), USER_NAME=USER, PASSWORD=PASSWORD, CHALLENGE="lab-otp",
            )  # fmt: skip

        seen = run("request", ca)
        text = seen["request"]
        pem = text[text.index("-----BEGIN") :].partition("REQUEST-----\n")
        body = pem[2].partition("-----END")[0]
        request = f"{pem[0]}{pem[1]}{body}-----END CERTIFICATE REQUEST-----\n"
        record = sign_carried(state.depot, state.authority, request.encode(), now())
        certificate.write_bytes(_pem(record.certificate))
        taken = run("import", certificate)
    assert "9.3(8)" in seen["version"]
    assert seen["hostname"].strip() == "R1"
    assert "% " not in seen["configured"]
    assert "Fingerprint(s): SHA1 Fingerprint=" in seen["asked"]
    assert "could not" not in seen["trusted"] + taken["imported"]
    assert f"serial={record.serial.upper()}" in taken["certificates"]
    assert "subject= /CN=R1.example.test" in taken["certificates"]
    assert "% " not in taken["named"]
    assert "crypto ca trustpoint LAB\n  rsakeypair LAB\n" in taken["configuration"]
    assert "nxapi certificate trustpoint LAB" in taken["configuration"]
    assert "Copy complete." in taken["saved"]
    state.close()


@pytest.mark.parametrize("transport", ["telnet", "paramiko"])
def test_scrapli_configures(tmp_path: Path, transport: str) -> None:
    """It logs in, changes modes, sees what is refused, answers a question, saves."""
    client_python("main")
    line = "telnet" if transport == "telnet" else "ssh"
    folder, consoles = tmp_path / "switch", [f"{line}:127.0.0.1:0"]
    with serve_device("cisco-nxos", folder, consoles, users={USER: PASSWORD}) as hosted:
        endpoint = hosted.lines[0].endpoint
        seen = run_client(
            "main", "scrapli_cisco_nxos.py", transport, endpoint.host, str(endpoint.port),
            USER_NAME=USER, PASSWORD=PASSWORD,
        )  # fmt: skip
    assert seen["version"][0]["os"] == "9.3(8)"
    assert (seen["failed"], seen["refused"]) == (False, True)
    assert "key label: LAB" in seen["keys"]
    assert "This command will reboot the system." in seen["reload"]
    assert "Copy complete." in seen["saved"]


def _pem(certificate_der: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate_der).public_bytes(Encoding.PEM)


PARSED = {
    "show version": [("os", "9.3(8)"), ("platform", "C9300v"), ("hostname", "switch")],
    "show hostname": [("hostname", "switch")],
    "show inventory": [("pid", "N9K-C9300v"), ("sn", "9N3KD63KWT0")],
    "show interface brief": [("interface", "mgmt0"), ("status", "up")],
    "show interface status": [("port", "mgmt0"), ("status", "connected")],
    "show feature": [("name", "bash-shell"), ("state", "disabled")],
    "show clock": [("timezone", "UTC"), ("year", "2026")],
}


def test_a_public_parser_reads_the_outputs(tmp_path: Path) -> None:
    """All for which it has a template."""
    client_python("parsers")
    bench = SwitchBench()
    path = tmp_path / "outputs.json"
    outputs = {command: bench.run(command) for command in PARSED}
    path.write_text(json.dumps(outputs), encoding="utf-8")
    read = run_client("parsers", "parsers_cisco_nxos.py", str(path))
    for command, wanted in PARSED.items():
        first = read[command][0]
        assert [(key, first[key]) for key, _ in wanted] == wanted, command
