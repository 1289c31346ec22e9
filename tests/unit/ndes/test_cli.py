"""`sceplab ndes`: every command, in people's words and in JSON, beside a running server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.agent_cli import SOURCES
from tests.support.ndes_cli import read_json, run, serving


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which a manual server ran: request 1 approved, 2 denied, 3 pending."""
    from tests.support.remote_device import RemoteDevice

    state = tmp_path_factory.mktemp("ndes") / "state"
    with serving(state, "--approval", "manual") as ready:
        assert set(ready) >= {"scep_url", "admin_url", "ca_sha256", "pid", "profile", "floor"}
        assert ready["profile"] == "compat"
        passwords = [run("otp", "--state", state).stdout.strip() for _ in range(2)]
        page = run("otp", "--state", state, "--url", ready["admin_url"], "--json")
        passwords.append(read_json(page)["challenge_password"])
        device = RemoteDevice(ready["scep_url"])
        for number, password in enumerate(passwords, 1):
            assert device.enroll(f"TX{number}", password) == "PENDING"
        waiting = read_json(run("pending", "--state", state, "--json"))
        assert [row["request_id"] for row in waiting] == [1, 2, 3]
        done = run("approve", "1", "--state", state)
        assert "request 1 approved: certificate " in done.stdout
        assert run("deny", "2", "--state", state).stdout == "request 2 denied\n"
        assert device.poll("TX1") == "SUCCESS"
        assert device.poll("TX2") == "FAILURE"
        assert device.poll("TX3") == "PENDING"
        second = run("serve", "--state", state)
        assert second.exit_code == 2
        assert "another server runs on" in second.stderr
        assert (state / "server.json").exists()
    assert not (state / "server.json").exists()
    return state


@pytest.mark.daemon
@pytest.mark.covers("C19", "M6", "A24")
def test_the_commands_work_beside_a_running_server(approved: Path) -> None:
    """The fixture is the test: passwords, approval and denial reach the device."""
    listed = read_json(run("list", "--state", approved, "--json"))
    assert [row["state"] for row in listed["requests"]] == ["issued", "denied", "pending"]
    assert len(listed["certificates"]) == 1


@pytest.mark.daemon
@pytest.mark.covers("A10", "M4")
def test_revoking_writes_the_list_into_the_folder(approved: Path) -> None:
    """The file that the command names lists the serial with its reason."""
    from cryptography import x509

    serial = read_json(run("list", "--state", approved, "--json"))["certificates"][0]["serial"]
    told = read_json(run("revoke", serial, "--reason", "superseded", "--state", approved, "--json"))
    assert told["revocation_reason"] == "superseded"
    crl = x509.load_der_x509_crl(Path(told["crl"]).read_bytes())
    entry = crl.get_revoked_certificate_by_serial_number(int(serial, 16))
    assert entry is not None
    again = run("revoke", serial, "--state", approved)
    assert again.exit_code == 4
    assert "revoked already" in again.stderr


@pytest.mark.daemon
def test_tables_for_people(approved: Path) -> None:
    """They name subject and state, and pending says what to do next."""
    shown = run("list", "--state", approved).stdout
    assert "Certificates" in shown
    assert "CN=router1.example.test" in shown
    waiting = run("pending", "--state", approved).stdout
    assert f"next: sceplab ndes approve 3 --state {approved}" in waiting


@pytest.mark.daemon
def test_files_of_the_folder_are_private_and_readable_by_openssl(approved: Path) -> None:
    """Secrets 0600, folder 0700, ca.pem is the CA of the ready object."""
    from tests.support.peers import openssl

    assert (approved.stat().st_mode & 0o777) == 0o700
    for name in ("passphrase", "admin-password", "depot.sqlite"):
        assert ((approved / name).stat().st_mode & 0o777) == 0o600
    assert openssl("x509", "-in", "ca.pem", "-noout", cwd=approved).status == 0


@pytest.mark.daemon
def test_the_folder_serves_again(approved: Path) -> None:
    """The same CA, another profile; the published list is served."""
    with serving(approved, "--profile", "ndes") as ready:
        assert ready["floor"] == "ndes"
        with urllib.request.urlopen(ready["scep_url"], timeout=10) as answer:
            page = answer.read().decode("utf-16-le")
        assert "This URL is used by network devices" in page


def test_commands_on_a_folder_without_a_server_say_how_to_make_one(tmp_path: Path) -> None:
    """Exit code 2, no traceback, nothing made."""
    place = tmp_path / "none"
    commands = ("pending", "list", "otp", "approve 1", "deny 1", "revoke 12")
    for words in (command.split() for command in commands):
        result = run(*words, "--state", place)
        assert result.exit_code == 2, words
        assert "serve --state" in result.stderr
    assert not place.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--floor", "moden"], "did you mean 'modern'?"),
        (["--profile", "ndes", "--floor", "modern"], "start it with floor 'ndes'"),
        (["--challenge", "onetime"], "did you mean 'one-time'?"),
        (["--port", "70000"], "'port'"),
        (["--config", "/nonexistent.toml"], "cannot be read"),
    ],
)
def test_wrong_options_end_before_anything_is_made(
    tmp_path: Path, words: list[str], told: str
) -> None:
    """Exit code 2, the reason, and no folder."""
    result = run("serve", "--state", tmp_path / "state", *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "state").exists()
    as_json = run("serve", "--state", tmp_path / "state", "--json", *words)
    assert json.loads(as_json.stdout)["exit_code"] == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_port_in_use_is_named_before_anything_is_made(tmp_path: Path, host: str) -> None:
    """Exit code 2, the address and the next step, and no folder."""
    address = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as other:
        port = other.getsockname()[1]
        words = ("--host", host, "--port", port)
        result = run("serve", "--state", tmp_path / "state", *words)
    assert result.exit_code == 2
    shown = f"[{host}]" if ":" in host else host
    assert f"cannot listen on {shown}:{port}: the port is in use; choose" in result.stderr
    assert not (tmp_path / "state").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """Somebody's home folder does not become a CA."""
    (tmp_path / "thesis.txt").write_text("x")
    result = run("serve", "--state", tmp_path)
    assert result.exit_code == 2
    assert "holds other files" in result.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.txt"]


def test_help_has_examples_and_exit_codes() -> None:
    """For every command, and quickly: nothing heavy is imported for it."""
    assert "Exit codes: 0 done" in run("--help").stdout.replace("\n  ", " ")
    for name in ("serve", "otp", "pending", "approve", "deny", "list", "revoke"):
        assert "Examples:\n    sceplab ndes " in run(name, "--help").stdout


def test_the_command_line_imports_nothing_heavy() -> None:
    """aiohttp, pydantic and cryptography come with the commands, not with the help."""
    code = (
        "import sys, sceplab_ndes.cli; "
        "print([m for m in ('aiohttp', 'pydantic', 'cryptography', 'rich.table') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES)},
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.daemon
@pytest.mark.covers("S-43")
def test_a_rollover_reaches_a_running_server(tmp_path: Path) -> None:
    """Prepared beside it: announced at once; list and ca-cert know both CAs apart."""
    state = tmp_path / "state"
    missing = run("rollover", "--state", state)
    assert missing.exit_code == 2
    with serving(state) as ready:
        url = ready["scep_url"]

        def capabilities() -> bytes:
            with urllib.request.urlopen(f"{url}?operation=GetCACaps") as answer:
                return bytes(answer.read())

        assert b"GetNextCACert" not in capabilities()
        both = run("rollover", "--state", state, "--in", "3d", "--at", "2100-01-01")
        assert both.exit_code == 2
        for words in (("--in", "soon"), ("--at", "tomorrow"), ("--at", "2020-01-01")):
            assert run("rollover", "--state", state, *words).exit_code == 2
        made = read_json(run("rollover", "--state", state, "--in", "3d", "--json"))
        assert (made["generation"], made["state"], made["is_announced"]) == (1, "next", True)
        assert b"GetNextCACert" in capabilities()
        assert run("rollover", "--state", state).exit_code == 4
    listed = read_json(run("list", "--state", state, "--json"))["authorities"]
    assert [row["state"] for row in listed] == ["current", "next"]
    assert listed[1]["sha256"] == made["sha256"]
    assert "takes over" in run("list", "--state", state).stdout
    shown = read_json(run("ca-cert", "--state", state, "--json"))
    assert shown["sha256"] == listed[0]["sha256"]
