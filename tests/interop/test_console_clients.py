"""netmiko and scrapli, unmodified, run a whole enrollment at the router's Telnet console."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from sceplab_ndes.state import ServerState
from tests.support.router import ENABLE_PASSWORD, serve_router
from tests.support.server import make_server, serve_in_thread

pytestmark = [pytest.mark.interop, pytest.mark.daemon]


def now() -> datetime:
    """Router and server look at the real clock."""
    return datetime.now(UTC)


def password(state: ServerState) -> str:
    """A one-time password."""
    issued = state.challenge.issue("admin", now())
    assert issued is not None
    return issued.reveal()


def trustpoint_lines(url: str, state: ServerState) -> list[str]:
    """What an operator types in configuration mode, abbreviated as operators do."""
    fingerprint = state.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
    return [
        "ip domain name example.test",
        "cry key gen rsa label R1-KEY mod 2048",
        "cry pki trustp LAB",
        f"enr url {url}",
        "subject-n CN=R1,O=Example",
        "rsakeypair R1-KEY",
        "serial-number none",
        "ip-addr none",
        f"finger {fingerprint}",
        "exit",
    ]


def check_certificate(state: ServerState, shown: str) -> None:
    """The serial number shown is the one the server issued."""
    (record,) = state.administration.certificates()
    assert record.serial.upper() in shown
    assert "cn=R1" in shown


def test_netmiko_enrolls(tmp_path: Path) -> None:
    """netmiko's `cisco_ios_telnet` configures, authenticates, enrolls and reads the certificate."""
    netmiko = pytest.importorskip("netmiko", reason="netmiko is not installed: make test")
    state = make_server("compat", now=now())
    with ExitStack() as stack:
        server = stack.enter_context(serve_in_thread(state, now))
        _, endpoint = stack.enter_context(serve_router(tmp_path))
        login = {"host": endpoint.host, "port": endpoint.port, "secret": ENABLE_PASSWORD}
        with netmiko.ConnectHandler(device_type="cisco_ios_telnet", **login) as router:
            router.enable()
            assert router.check_enable_mode()
            assert "Version" in router.send_command("sh ver | include Version")
            router.send_config_set(trustpoint_lines(server.scep_url, state), read_timeout=30)
            router.config_mode()
            trusted = router.send_command("cry pki auth LAB", expect_string=r"accepted\.")
            assert "fingerprints matched" in trusted
            challenge = password(state)
            router.send_command("crypto pki enr LAB", expect_string="Password: ")
            router.send_command(challenge, expect_string="Re-enter password: ", cmd_verify=False)
            router.send_command(challenge, expect_string=r"\[yes/no\]: ", cmd_verify=False)
            router.send_command("yes", expect_string=r"fingerprint\.")
            router.exit_config_mode()
            shown = ""
            for _ in range(50):
                shown = router.send_command("show crypto pki certificates LAB")
                if "Pending" not in shown and "Serial Number" in shown.partition("CA Cert")[0]:
                    break
            check_certificate(state, shown)
            filtered = router.send_command("sh cry pki cert LAB | inc Status")
            assert filtered.split() == ["Status:", "Available"] * 2


def test_scrapli_enrolls(tmp_path: Path) -> None:
    """scrapli's Telnet transport does the same, as one interactive dialog."""
    core = pytest.importorskip("scrapli.driver.core", reason="scrapli is not installed: make test")
    state = make_server("compat", now=now())
    with serve_in_thread(state, now) as server, serve_router(tmp_path) as (_, endpoint):
        router = core.IOSXEDriver(
            host=endpoint.host, port=endpoint.port, transport="telnet", auth_bypass=True,
            auth_strict_key=False, auth_secondary=ENABLE_PASSWORD,
        )  # fmt: skip
        with router:
            assert "Version" in router.send_command("sh ver | include Version").result
            configured = router.send_configs(trustpoint_lines(server.scep_url, state))
            assert not configured.failed, configured.result
            trusted = router.send_interactive(
                [("cry pki auth LAB", "accepted.")], privilege_level="configuration"
            )
            assert "fingerprints matched" in trusted.result
            challenge = password(state)
            asked = router.send_interactive(
                [
                    ("crypto pki enr LAB", "Password: "),
                    (challenge, "Re-enter password: ", True),
                    (challenge, "[yes/no]: ", True),
                    ("yes", "fingerprint."),
                ],
                privilege_level="configuration",
            )
            assert "% Certificate request sent" in asked.result
            shown = ""
            for _ in range(50):
                shown = router.send_command("show crypto pki certificates LAB").result
                if "Pending" not in shown and "Serial Number" in shown.partition("CA Cert")[0]:
                    break
            check_certificate(state, shown)
            filtered = router.send_command("sh cry pki cert LAB | inc Status").result
            assert filtered.split() == ["Status:", "Available"] * 2
