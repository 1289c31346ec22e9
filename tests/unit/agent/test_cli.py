"""`sceplab-agent` in one process with its tests, against a server on loopback."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sceplab_agent import cli, cli_commands
from sceplab_agent.exit_codes import MEANINGS, ExitCode
from sceplab_agent.journal_sqlite import SqliteJournal
from sceplab_ndes.state import ServerState
from tests.support.raw_server import answer, raw_server
from tests.support.secret_files import write_secret
from tests.support.server import make_server, serve_in_thread

PASSPHRASE = "planted-passphrase-4711"


def now() -> datetime:
    """The real time: the agent's command line has no other."""
    return datetime.now(UTC)


@dataclass
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What ``--json`` printed."""
        return json.loads(self.out)


@dataclass
class Folder:
    """A configuration file with what belongs to it."""

    path: Path
    run_main: Callable[[list[str]], int]
    capture: pytest.CaptureFixture[str]

    def configure(self, url: str, **changes: str) -> None:
        """Writes the file; ``changes`` are TOML values of the trustpoint."""
        lines = {
            "url": f'"{url}"',
            "subject": '"CN=router1.example.test,O=Example"',
            "challenge": '"file:otp"',
            **changes,
        }
        body = "\n".join(f"{key} = {value}" for key, value in lines.items() if value)
        (self.path / "agent.toml").write_text(
            '[agent]\nstate_dir = "state"\n'
            '[keystore]\nuri = "soft:keys?kdf=lab"\nsecret = "file:passphrase"\n'
            f"[trustpoint.lab]\n{body}\n"
        )

    def run(self, command: str, *words: str) -> Result:
        """Runs a command in this process."""
        self.capture.readouterr()
        code = self.run_main([command, "-c", str(self.path / "agent.toml"), *words])
        out, err = self.capture.readouterr()
        return Result(code, out, err)

    def files(self) -> set[str]:
        """Names of all files."""
        found = (path for path in self.path.rglob("*") if path.is_file())
        return {str(path.relative_to(self.path)) for path in found}

    @property
    def certificate(self) -> x509.Certificate:
        """The installed certificate."""
        content = (self.path / "state" / "lab" / "certificate.pem").read_bytes()
        return x509.load_pem_x509_certificate(content)


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Folder:
    """A folder with secrets and no configuration yet."""
    write_secret(tmp_path / "passphrase", PASSPHRASE + "\n")
    write_secret(tmp_path / "otp", "planted-otp\n")
    return Folder(tmp_path, cli.main, capsys)


@dataclass
class Lab:
    """A server and an agent's folder that is configured for it."""

    folder: Folder
    server: ServerState
    url: str

    def new_password(self) -> str:
        """Puts a one-time password where the agent looks for it."""
        password = self.server.challenge.issue("admin", now())
        assert password is not None
        write_secret(self.folder.path / "otp", password.reveal() + "\n")
        return password.reveal()

    def configure(self, **changes: str) -> None:
        """Configures the agent, pinned to the server's CA."""
        digest = self.server.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
        url = changes.pop("url", self.url)
        self.folder.configure(url, **{"fingerprint": f'"{digest}"', **changes})


@pytest.fixture
def lab(folder: Folder, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A running server; indirect parameters are its settings."""
    server = make_server(settings=getattr(request, "param", {}), now=now())
    with serve_in_thread(server, now) as running:
        lab = Lab(folder, server, running.scep_url)
        lab.configure()
        yield lab


MANUAL = {"template": {"approval": "manual"}}


def test_check_shows_what_is_in_force_and_makes_nothing(folder: Folder) -> None:
    """A check prints the effective configuration, masks nothing it should, and leaves no file."""
    folder.configure("http://ca.example.org/scep")
    before = folder.files()
    result = folder.run("check")
    assert result.code == ExitCode.OK
    assert "on_unpinned = " in result.out
    assert f'challenge = "file:{folder.path}/otp"' in result.out
    assert "no fingerprint is set" in result.out
    assert "the first enrollment makes it" in result.out
    assert PASSPHRASE not in result.out
    assert "planted-otp" not in result.out
    assert folder.files() == before


def test_check_answers_in_json(folder: Folder) -> None:
    """The same for a program."""
    folder.configure("http://ca.example.org/scep")
    document = folder.run("check", "--json").document
    assert document["ok"] is True
    assert document["config"]["trustpoint"]["lab"]["poll"]["first_s"] == 60
    assert len(document["findings"]) == 3


def test_check_misses_no_secret(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A challenge or passphrase that is not at hand is a fault, each named with its place."""
    folder.configure("http://ca.example.org/scep")
    (folder.path / "otp").unlink()
    (folder.path / "passphrase").unlink()
    result = folder.run("check")
    assert result.code == ExitCode.CONFIGURATION
    assert "trustpoint.lab.challenge: the password is not at hand" in result.err
    assert f"{folder.path}/otp: No such file" in result.err
    assert "trustpoint.lab.key.secret: the key store's secret is not at hand" in result.err
    write_secret(folder.path / "passphrase", PASSPHRASE)
    folder.configure("http://ca.example.org/scep", challenge='"env:NO_SUCH_VARIABLE_HERE"')
    result = folder.run("check", "--json")
    assert result.code == ExitCode.CONFIGURATION
    assert "environment variable NO_SUCH_VARIABLE_HERE is not set" in result.document["error"]
    monkeypatch.setenv("NO_SUCH_VARIABLE_HERE", "x")
    assert folder.run("check").code == ExitCode.OK


def test_check_remarks_on_a_group_and_refuses_everybody(folder: Folder) -> None:
    """A secret's file that a group reads is a finding; one that all read is a fault."""
    folder.configure("http://ca.example.org/scep")
    (folder.path / "otp").chmod(0o640)
    result = folder.run("check")
    assert result.code == ExitCode.OK
    assert f"{folder.path}/otp is open to its group (mode 640)" in result.out
    (folder.path / "otp").chmod(0o644)
    result = folder.run("check")
    assert result.code == ExitCode.CONFIGURATION
    assert f"run: chmod 600 {folder.path}/otp" in result.err


def test_check_needs_no_challenge_to_renew(lab: Lab) -> None:
    """A used one-time password may be deleted; a CA that wants one at renewal is another matter."""
    lab.new_password()
    assert lab.folder.run("enroll", "-q").code == ExitCode.OK
    (lab.folder.path / "otp").unlink()
    result = lab.folder.run("check")
    assert result.code == ExitCode.OK
    assert "none is needed to renew" in result.out
    lab.configure(renewal="{ send_challenge = true }")
    assert lab.folder.run("check").code == ExitCode.CONFIGURATION


@pytest.mark.parametrize("scheme", ["fault+soft", "tpm-stub"])
def test_check_knows_stores_that_are_not_made_yet(folder: Folder, scheme: str) -> None:
    """Before the first enrollment a store's directory may be missing, whatever the store."""
    options = "?kdf=lab" if "soft" in scheme else ""
    folder.configure("http://ca.example.org/scep", key=f'{{ store = "{scheme}:chip{options}" }}')
    result = folder.run("check")
    assert result.code == ExitCode.OK
    assert f"there is no key store {scheme}:{folder.path}/chip{options} yet" in result.out


@pytest.mark.parametrize("store", ["fault+soft:own?kdf=lab", "tpm-stub:chip"])
def test_every_kind_of_store_serves(lab: Lab, store: str) -> None:
    """Enrollment, check, status, renewal and audit with other stores than the plain one."""
    lab.new_password()
    lab.configure(key=f'{{ store = "{store}", secret = "file:passphrase" }}')
    scheme = store.partition(":")[0]
    for command in ("enroll", "check", "status", "renew", "audit"):
        result = lab.folder.run(command)
        assert result.code == ExitCode.OK, result.err
        assert f"{scheme}:{lab.folder.path}/" in result.out
        assert PASSPHRASE not in result.out + result.err
    assert lab.folder.certificate.serial_number


def test_closed_key_store_has_its_code_and_holds_nobody_up(lab: Lab) -> None:
    """One trustpoint's store does not open: the others enroll; the code is the key store's."""
    lab.new_password()
    path = lab.folder.path / "agent.toml"
    module = "/nonexistent/module.so"
    path.write_text(
        path.read_text().replace(
            "[trustpoint.lab]",
            f"""[trustpoint.away]
url = "{lab.url}"
subject = "CN=away"
key = {{ store = "pkcs11:token=t?module-path={module}", secret = "file:passphrase" }}
[trustpoint.lab]""",
        )
    )
    result = lab.folder.run("enroll", "--json", "-q")
    assert result.code == result.document["exit_code"] == ExitCode.KEY_STORE
    away, other = result.document["trustpoints"]
    assert (away["state"], away["failure_cause"]) == ("UNCONFIGURED", "key-store")
    assert module in away["failure"]
    assert other["state"] == "INSTALLED"
    result = lab.folder.run("enroll")
    assert f"sceplab-agent: away: {away['failure']}" in result.err
    assert lab.folder.run("cancel").code == ExitCode.KEY_STORE


def test_full_disk_has_a_code_of_its_own(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a certificate cannot be written, it is not the key store's fault."""
    lab.new_password()
    lab.configure(retry="{ first_s = 0.1, max_attempts = 2 }")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sceplab_agent.install.replace_file", full)
    result = lab.folder.run("enroll", "--json")
    assert result.code == ExitCode.STORAGE
    (status,) = result.document["trustpoints"]
    assert status["failure_cause"] == "storage"
    assert "No space left on device" in status["failure"]
    assert "make room on the disk" in result.err
    monkeypatch.undo()
    lab.new_password()
    assert lab.folder.run("enroll", "-q").code == ExitCode.OK


def test_cancel_gives_a_request_up(lab: Lab) -> None:
    """The key of a refused enrollment goes with it; a second time there is nothing to do."""
    write_secret(lab.folder.path / "otp", "not-a-password")
    assert lab.folder.run("enroll", "-q").code == ExitCode.REJECTED
    assert "keys/lab.key" in lab.folder.files()
    for _ in range(2):
        result = lab.folder.run("cancel", "--json")
        assert result.code == ExitCode.OK
        assert result.document["trustpoints"][0]["state"] == "CA_PINNED"
        assert "keys/lab.key" not in lab.folder.files()


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The installed version, or that there is none; no command is needed."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert re.fullmatch(r"sceplab-agent (\d+\.\d+\S*|of unknown .*)\n", capsys.readouterr().out)


def test_check_names_every_mistake(folder: Folder) -> None:
    """Mistakes come with file and path, and the code of a configuration fault."""
    folder.configure("nonsense", floor='"moderm"', fingerprnt='"x"')
    result = folder.run("check")
    assert result.code == ExitCode.CONFIGURATION
    assert result.out == ""
    assert result.err.count(str(folder.path / "agent.toml")) == 3
    assert "did you mean 'fingerprint'?" in result.err


@pytest.mark.parametrize(
    ("breakage", "code", "expected"),
    [
        ("passphrase", ExitCode.KEY_STORE, "passphrase"),
        ("store", ExitCode.KEY_STORE, "there is no key store"),
        ("journal", ExitCode.FAILED, "is damaged"),
        ("tls", ExitCode.CONFIGURATION, "http.tls_ca_file"),
    ],
)
def test_check_opens_what_there_is(lab: Lab, breakage: str, code: ExitCode, expected: str) -> None:
    """Wrong passphrase, vanished store, damaged journal, missing trust file: each has its code."""
    lab.new_password()
    assert lab.folder.run("enroll", "-q").code == ExitCode.OK
    assert "opens, 1 key\n" in lab.folder.run("check").out
    path = lab.folder.path
    if breakage == "passphrase":
        write_secret(path / "passphrase", "wrong")
    elif breakage == "store":
        (path / "keys").rename(path / "unmounted")
    elif breakage == "journal":
        (path / "state" / "journal.sqlite3").write_bytes(b"garbage" * 1000)
    else:
        text = (path / "agent.toml").read_text()
        (path / "agent.toml").write_text(f'{text}\n[http]\ntls_ca_file = "none.pem"\n')
    result = lab.folder.run("check")
    assert result.code == code
    assert expected in result.err


def test_vanished_key_store_is_not_made_anew(lab: Lab) -> None:
    """While a certificate's key should be in a store, an empty one does not take its place."""
    lab.new_password()
    lab.folder.run("enroll", "-q")
    (lab.folder.path / "keys").rename(lab.folder.path / "unmounted")
    assert lab.folder.run("renew", "-q").code == ExitCode.KEY_STORE
    assert not (lab.folder.path / "keys").exists()


@pytest.mark.covers("A9", "A30", "C22", "C-01")
def test_enroll_gets_a_certificate(lab: Lab) -> None:
    """One command ends with files, a journal, and a summary; nothing else is left behind."""
    password = lab.new_password()
    result = lab.folder.run("enroll")
    subject = lab.folder.certificate.subject.rfc4514_string()
    assert result.code == ExitCode.OK
    assert subject == "CN=router1.example.test,O=Example"
    assert "lab: INSTALLED" in result.out
    assert f"{lab.folder.certificate.serial_number:X}" in result.out
    assert "enrollment.request" in result.err
    assert lab.folder.files() == {
        "agent.toml", "otp", "passphrase",
        "keys/store.header", "keys/lab.key",
        "state/journal.sqlite3", "state/journal.sqlite3-mark",
        "state/lab/certificate.pem", "state/lab/chain.pem", "state/lab/ca.pem",
    }  # fmt: skip
    assert stat.S_IMODE((lab.folder.path / "state").stat().st_mode) == 0o700
    journal = (lab.folder.path / "state" / "journal.sqlite3").read_bytes()
    for secret in (password, PASSPHRASE):
        assert secret.encode() not in journal
        assert secret not in result.out + result.err


def test_enroll_again_is_harmless(lab: Lab) -> None:
    """A valid certificate is left alone unless asked otherwise."""
    lab.new_password()
    lab.folder.run("enroll", "-q")
    first = lab.folder.certificate
    result = lab.folder.run("enroll")
    assert result.code == ExitCode.OK
    assert lab.folder.certificate == first
    lab.new_password()
    assert lab.folder.run("enroll", "--again", "-q").code == ExitCode.OK
    assert lab.folder.certificate.serial_number != first.serial_number


@pytest.mark.parametrize("lab", [MANUAL], indirect=True)
def test_pending_request_is_taken_up_again(lab: Lab) -> None:
    """With --no-wait a pending request has its own code; the next call goes on with it."""
    lab.new_password()
    lab.configure(poll="{ first_s = 0.1, ceiling_s = 0.1 }")
    result = lab.folder.run("enroll", "--no-wait", "--json", "-q")
    assert result.code == ExitCode.PENDING
    assert result.err == ""
    document = result.document
    assert (document["ok"], document["exit_code"]) == (False, 7)
    (status,) = document["trustpoints"]
    assert status["state"] == "PENDING"
    for request in lab.server.administration.pending():
        lab.server.administration.approve(request.request_id, now())
    result = lab.folder.run("enroll", "--json", "-q")
    assert result.code == ExitCode.OK
    assert result.document["trustpoints"][0]["state"] == "INSTALLED"
    journal = SqliteJournal.open_read_only(lab.folder.path / "state" / "journal.sqlite3")
    assert journal is not None
    ids = {e.details["transaction_id"] for e in journal.entries() if "transaction_id" in e.details}
    journal.close()
    assert ids == {status["transaction_id"]}


def test_refused_request_has_its_code_and_reason(lab: Lab) -> None:
    """What the CA said is shown; the code says: rejected."""
    write_secret(lab.folder.path / "otp", "not-a-password")
    result = lab.folder.run("enroll")
    assert result.code == ExitCode.REJECTED
    assert "the CA refused: badRequest" in result.err
    assert "challenge password" in result.err
    assert "next_step=" in result.err
    write_secret(lab.folder.path / "otp", "not-a-password")
    result = lab.folder.run("enroll", "-q")
    assert "; next step: ask the CA's operator, get a new challenge password" in result.err
    assert "  to do        ask the CA's operator" in lab.folder.run("status").out
    (shown,) = lab.folder.run("enroll", "--json", "-q").document["trustpoints"]
    assert shown["next_step"].startswith("ask the CA's operator")


@pytest.mark.covers("A26", "G12")
def test_wrong_fingerprint_has_its_code(lab: Lab) -> None:
    """A pin mismatch is a trust fault; both fingerprints are shown, and it stays blocked."""
    lab.configure(fingerprint=f'"{"ab" * 32}"')
    result = lab.folder.run("enroll")
    assert result.code == ExitCode.TRUST
    assert "AB" * 32 in result.err
    assert "lab: BLOCKED" in result.out
    assert not (lab.folder.path / "state" / "lab").exists()
    lab.configure()
    lab.new_password()
    assert lab.folder.run("enroll", "-q").code == ExitCode.OK


def test_missing_fingerprint_is_refused(lab: Lab) -> None:
    """Without a pin nothing is trusted, unless the file says so."""
    lab.configure(fingerprint="")
    assert lab.folder.run("enroll", "-q").code == ExitCode.TRUST
    lab.configure(fingerprint="", on_unpinned='"tofu"')
    lab.new_password()
    result = lab.folder.run("enroll", "--json")
    assert result.code == ExitCode.OK
    assert result.document["trustpoints"][0]["ca_basis"] == "tofu"
    assert "ca.tofu" in result.err


def test_unreachable_server_has_its_code(folder: Folder) -> None:
    """Attempts are bounded, every one is told, and the code says: transport."""
    fingerprint = f'"{"ab" * 32}"'
    with raw_server(answer("503 Service Unavailable")) as server:
        folder.configure(
            server.url, fingerprint=fingerprint, retry="{ first_s = 0.1, max_attempts = 2 }"
        )
        result = folder.run("enroll")
    assert result.code == ExitCode.TRANSPORT
    assert result.err.count("HTTP 503") >= 2
    assert "lab: FAILED" in result.out


def test_wrong_path_is_a_configuration_fault(folder: Folder) -> None:
    """404 is not repeated."""
    with raw_server(answer("404 Not Found")) as server:
        folder.configure(server.url, fingerprint=f'"{"ab" * 32}"')
        result = folder.run("enroll", "-q")
    assert result.code == ExitCode.CONFIGURATION
    assert "check the path of the URL" in result.err


def test_no_wait_tells_why_it_would_wait(folder: Folder) -> None:
    """With --no-wait a server that is away ends the call at once, with its code."""
    with raw_server(answer("503 Service Unavailable")) as server:
        folder.configure(server.url, fingerprint=f'"{"ab" * 32}"')
        result = folder.run("enroll", "--no-wait", "--json", "-q")
    assert result.code == ExitCode.TRANSPORT
    assert result.document["trustpoints"][0]["state"] == "RETRY_WAIT"
    assert "HTTP 503" in result.document["trustpoints"][0]["failure"]


@pytest.mark.covers("C-07", "C-11")
def test_renew_replaces_the_certificate(lab: Lab) -> None:
    """A renewal needs no challenge and makes a new key."""
    lab.new_password()
    lab.folder.run("enroll", "-q")
    first = lab.folder.certificate
    (lab.folder.path / "otp").unlink()
    result = lab.folder.run("renew", "--json", "-q")
    second = lab.folder.certificate
    assert result.code == ExitCode.OK
    assert second.serial_number != first.serial_number
    assert second.public_key() != first.public_key()
    assert {f for f in lab.folder.files() if f.startswith("keys/lab")} == {"keys/lab.2.key"}


def test_renew_without_a_certificate_is_refused(lab: Lab) -> None:
    """There is nothing to renew; the way out is named."""
    result = lab.folder.run("renew")
    assert result.code == ExitCode.CONFIGURATION
    assert "run: sceplab-agent enroll" in result.err


def test_refused_renewal_returns_and_keeps_the_certificate(lab: Lab) -> None:
    """The first refusal ends the call; the certificate in use stays."""
    lab.new_password()
    lab.folder.run("enroll", "-q")
    first = lab.folder.certificate
    lab.server.administration.revoke(f"{first.serial_number:x}", now())
    result = lab.folder.run("renew")
    assert result.code == ExitCode.REJECTED
    assert lab.folder.certificate == first


def test_status_needs_neither_network_nor_key_store(lab: Lab) -> None:
    """The journal alone tells; nothing is changed by looking."""
    lab.new_password()
    lab.folder.run("enroll", "-q")
    (lab.folder.path / "keys").rename(lab.folder.path / "gone")
    lab.configure(url="http://nowhere.invalid/")
    before = (lab.folder.path / "state" / "journal.sqlite3").read_bytes()
    result = lab.folder.run("status", "--json")
    assert result.code == ExitCode.OK
    (status,) = result.document["trustpoints"]
    assert status["state"] == "INSTALLED"
    assert status["serial_number"] == f"{lab.folder.certificate.serial_number:X}"
    assert status["certificate_file"] == str(lab.folder.path / "state/lab/certificate.pem")
    assert (lab.folder.path / "state" / "journal.sqlite3").read_bytes() == before


def test_status_before_anything_happened(folder: Folder) -> None:
    """Without a journal everything is unconfigured, and no file is made."""
    folder.configure("http://ca.example.org/scep")
    before = folder.files()
    assert folder.run("status").out == "lab: UNCONFIGURED\n"
    assert folder.files() == before


def test_unknown_trustpoint_is_told(folder: Folder) -> None:
    """A name that is not in the file is a configuration fault."""
    folder.configure("http://ca.example.org/scep")
    result = folder.run("status", "lap")
    assert result.code == ExitCode.CONFIGURATION
    assert "there is no trustpoint 'lap'; known: lab" in result.err


def test_second_agent_is_refused(lab: Lab) -> None:
    """Two agents in one state directory would double transactions."""
    from sceplab_agent.state_dir import StateDirLock

    state = lab.folder.path / "state"
    with StateDirLock(state):
        for command in ("enroll", "run", "renew", "cancel"):
            result = lab.folder.run(command)
            assert result.code == ExitCode.CONFIGURATION
            assert f"another sceplab-agent works in {state}" in result.err
        lab.new_password()
        for command in ("check", "status", "audit"):
            assert lab.folder.run(command).code == ExitCode.OK, command


def test_errors_are_json_too(folder: Folder) -> None:
    """With --json an error is a document on standard output."""
    result = folder.run("enroll", "--json")
    assert result.code == ExitCode.CONFIGURATION
    assert result.document == {
        "ok": False,
        "exit_code": 2,
        "error": f"{folder.path}/agent.toml: cannot be read: No such file or directory",
    }
    assert result.err == ""


def test_several_trustpoints_do_not_wait_for_each_other(lab: Lab) -> None:
    """One that cannot go on does not keep the others from their certificates."""
    password = lab.new_password()
    path = lab.folder.path / "agent.toml"
    with raw_server(answer("503 Service Unavailable")) as dead:
        path.write_text(
            path.read_text().replace(
                "[trustpoint.lab]",
                f"""[trustpoint.away]
url = "{dead.url}"
subject = "CN=away"
fingerprint = "{"cd" * 32}"
retry = {{ first_s = 0.1, max_attempts = 2 }}
[trustpoint.lab]""",
            )
        )
        result = lab.folder.run("enroll", "--json", "-q")
    states = {status["name"]: status["state"] for status in result.document["trustpoints"]}
    assert states == {"away": "FAILED", "lab": "INSTALLED"}
    assert result.code == ExitCode.TRANSPORT
    assert password not in result.out


def test_interruption_has_its_code(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while waiting: code 130 and a state the next call goes on from."""
    monkeypatch.setattr(cli_commands.time, "sleep", _interrupt)
    with raw_server(answer("503 Service Unavailable")) as server:
        lab.configure(url=server.url)
        result = lab.folder.run("enroll")
    assert result.code == ExitCode.INTERRUPTED
    assert "interrupted" in result.err
    monkeypatch.undo()
    lab.configure()
    lab.new_password()
    assert lab.folder.run("status", "--json").document["trustpoints"][0]["state"] == "RETRY_WAIT"


def _interrupt(seconds: float) -> None:
    raise KeyboardInterrupt


def test_trace_explains_every_message(lab: Lab) -> None:
    """With --trace each message is explained on standard error, without its secrets."""
    password = lab.new_password()
    result = lab.folder.run("enroll", "--trace", "-q")
    assert result.code == ExitCode.OK
    assert "lab sends" in result.err
    assert "PKCSReq" in result.err
    assert "lab received" in result.err
    assert "CertRep SUCCESS" in result.err
    assert password not in result.err


@pytest.mark.parametrize("words", [[], ["enroll"], ["frobnicate"], ["enroll", "-c"]])
def test_wrong_command_line_ends_with_two(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """argparse's own code is that of a configuration fault."""
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == ExitCode.CONFIGURATION
    assert "usage: sceplab-agent" in capsys.readouterr().err


def test_help_has_examples_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """The help shows commands to copy and the table of codes."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert "sceplab-agent enroll -c agent.toml" in text
    for code, meaning in MEANINGS.items():
        assert re.search(rf"^ +{code.value}  {re.escape(meaning)}$", text, re.MULTILINE)


def test_name_of_the_program_can_be_another(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that hands its arguments over shows its own name."""
    with pytest.raises(SystemExit):
        cli.main(["--help"], prog="sceplab agent")
    assert "usage: sceplab agent" in capsys.readouterr().out
