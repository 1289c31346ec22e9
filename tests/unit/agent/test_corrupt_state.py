"""What the agent keeps, spoilt: each command's end, the message, and how it is mended.

The table "When something is damaged" of ``agent/README.md`` says the same in words.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent import cli
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.journal_sqlite import FILE_NAME
from sceplab_ndes.state import ServerState
from tests.support import damage
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import Running
from tests.support.damage import bytes_below
from tests.support.server import make_server, serve_in_thread

pytestmark = pytest.mark.daemon

CONFIG = """\
[agent]
state_dir = "state"
[keystore]
uri = "soft:keys?kdf=lab"
secret = "file:passphrase"
"""
TRUSTPOINT = """
[trustpoint.{name}]
url = "{url}"
fingerprint = "sha256:{pin}"
subject = "CN={name}.example.test"
challenge = "file:{name}-otp"
retry = {{ first_s = 0.1, ceiling_s = 0.1, max_attempts = 2 }}
renewal = {{ new_key = true }}
[[trustpoint.{name}.handoff]]
kind = "files"
directory = "{name}-files"
"""
NAMES = ("lab", "vpn")
"""``lab`` is spoilt, ``vpn`` stays well."""
COMMANDS = ("check", "status", "enroll", "renew", "audit", "handoff verify", "handoff again")


def now() -> datetime:
    """The real time: the agent's command line has no other."""
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Place:
    """A folder of an agent whose two trustpoints have certificates."""

    folder: Path
    server: ServerState
    capture: pytest.CaptureFixture[str]
    said: str = ""
    """By the last command, both streams."""

    def run(self, command: str, *words: str) -> int:
        """Exit code of a command in this process."""
        self.capture.readouterr()
        code = cli.main([*command.split(), "-c", str(self.folder / "agent.toml"), *words])
        self.out, err = self.capture.readouterr()
        self.said = self.out + err
        assert "Traceback" not in self.said
        return code

    def codes(self) -> dict[str, int]:
        """How the commands end that change nothing."""
        return {name: self.run(name) for name in COMMANDS if name not in {"enroll", "renew"}}

    def status(self) -> dict[str, Any]:
        """By name."""
        self.run("status", "--json")
        return {one["name"]: one for one in json.loads(self.out)["trustpoints"]}

    def give_passwords(self) -> None:
        """A new one-time password for each trustpoint."""
        give_passwords(self.folder, self.server)


def give_passwords(folder: Path, server: ServerState) -> None:
    """Puts one-time passwords where the agent looks."""
    for name in NAMES:
        password = server.challenge.issue("admin", now())
        assert password is not None
        path = folder / f"{name}-otp"
        path.write_text(password.reveal() + "\n")
        path.chmod(0o600)


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ServerState]]:
    """A folder to copy, and the server, which stays."""
    folder = tmp_path_factory.mktemp("agent")
    server = make_server(settings={"challenge": {"cache_size": 1000}}, now=now())
    with serve_in_thread(server, now) as running:
        pin = server.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
        url = running.scep_url
        tables = [TRUSTPOINT.format(name=name, url=url, pin=pin) for name in NAMES]
        (folder / "agent.toml").write_text(CONFIG + "".join(tables))
        (folder / "passphrase").write_text("correct horse\n")
        (folder / "passphrase").chmod(0o600)
        give_passwords(folder, server)
        assert cli.main(["enroll", "-q", "-c", str(folder / "agent.toml")]) == ExitCode.OK
        yield folder, server


@pytest.fixture
def place(
    enrolled: tuple[Path, ServerState], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Place:
    """A copy to spoil."""
    folder, server = enrolled
    shutil.copytree(folder, tmp_path / "agent", symlinks=True)
    return Place(folder=tmp_path / "agent", server=server, capture=capsys)


def journal(folder: Path) -> Path:
    """The journal's file."""
    return folder / "state" / FILE_NAME


def sql(statement: str) -> Callable[[Path], None]:
    """Changes the journal."""

    def spoil(folder: Path) -> None:
        with contextlib.closing(sqlite3.connect(journal(folder))) as connection:
            connection.execute(statement)
            connection.commit()

    return spoil


def body(old: str, new: str) -> Callable[[Path], None]:
    """Changes the snapshot of ``lab`` as an unsealed one, which programs without seals wrote."""
    return sql(
        f"UPDATE snapshot SET body = '{{' || replace(substr(body, 78), '{old}', '{new}') "
        "WHERE trustpoint = 'lab'"
    )


def at(path: str, spoil: Callable[[Path], None]) -> Callable[[Path], None]:
    """Spoils a file below the folder."""
    return lambda folder: spoil(folder / path)


ONE = dict.fromkeys(COMMANDS, ExitCode.FAILED) | {"handoff again": ExitCode.HANDOFF}
"""One trustpoint cannot be read, the other goes on."""
ALL = dict.fromkeys(COMMANDS, ExitCode.FAILED)
"""The journal cannot be read."""
KEY = dict.fromkeys(COMMANDS, ExitCode.KEY_STORE) | {
    "status": ExitCode.OK,
    "audit": ExitCode.FAILED,
    "handoff verify": ExitCode.OK,
    "handoff again": ExitCode.HANDOFF,
}
"""The key of the certificate in use is lost: whoever needs it says so."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way of spoiling, and what is declared to come of it."""

    name: str
    spoil: Callable[[Path], None]
    codes: dict[str, ExitCode]
    says: str
    """Part of what ``enroll`` says: which file, and what to do."""
    words: tuple[str, ...] = field(default=("set-aside",))
    """The command that takes the damage away; empty: nothing does."""


JOURNAL_CASES = [
    Case(
        name=f"journal-{spoil.__name__}",
        spoil=at(f"state/{FILE_NAME}", spoil),
        codes=ALL,
        says=f"{FILE_NAME} is damaged",
    )
    for spoil in damage.DAMAGES
]
ROW_CASES = [
    Case(name=name, spoil=spoil, codes=ONE, says="knows of trustpoint lab cannot be used")
    for name, spoil in (
        ("row-gone", sql("DELETE FROM snapshot WHERE trustpoint = 'lab'")),
        ("row-no-json", sql("UPDATE snapshot SET body = '{' WHERE trustpoint = 'lab'")),
        ("row-other", sql("UPDATE snapshot SET seq = 1 WHERE trustpoint = 'lab'")),
        ("unknown-state", body('"state":"INSTALLED"', '"state":"ASLEEP"')),
        ("future-version", body('"version":1', '"version":99')),
        ("wrong-type", body('"attempts":0', '"attempts":{}')),
        ("wrong-moment", body('"newest_at":"2', '"newest_at":"x')),
        ("no-certificate", body('"active":', '"inactive":')),
        ("broken-certificate", body('"certificate":"MII', '"certificate":"AAA')),
    )
]
KEY_CASES = [
    Case(
        name=f"key-{spoil.__name__}",
        spoil=at("keys/lab.key", spoil),
        codes=KEY
        | ({} if spoil is damage.remove else {"audit": code, "check": ExitCode.KEY_STORE}),
        says="lab",
        words=(),
    )
    for spoil, code in (
        (damage.empty, ExitCode.KEY_STORE),
        (damage.cut, ExitCode.KEY_STORE),
        (damage.rubbish, ExitCode.KEY_STORE),
        (damage.remove, ExitCode.FAILED),
    )
]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name) for case in JOURNAL_CASES + ROW_CASES]
)
def test_damage_is_told_by_every_command_and_mended_by_one(place: Place, case: Case) -> None:
    """No reset, no traceback; certificate files stay; ``set-aside`` keeps all bytes."""
    certificate = (place.folder / "state/lab/certificate.pem").read_bytes()
    case.spoil(place.folder)
    found = place.codes()
    found["renew"] = place.run("renew", "vpn" if case.codes is ONE else "lab")
    if case.codes is ONE:
        assert found.pop("renew") == ExitCode.OK, place.said
        found["renew"] = place.run("renew", "lab")
    found["enroll"] = place.run("enroll")
    assert found == case.codes
    assert case.says in place.said
    assert "sceplab-agent set-aside" in place.said
    assert (place.folder / "state/lab/certificate.pem").read_bytes() == certificate
    before = bytes_below(place.folder / "state")
    assert place.run(*case.words) == ExitCode.OK, place.said
    kept = set(bytes_below(place.folder / "state").values())
    if case.codes is ALL:
        assert set(before.values()) <= kept
    (aside,) = re.findall(r"^  set aside: (.*)", place.said, re.MULTILINE)
    assert Path(aside).exists()
    assert place.run("audit") == ExitCode.FAILED
    assert "of a certificate that the journal does not know" in place.said
    place.give_passwords()
    assert place.run("enroll") == ExitCode.OK, place.said
    assert place.status()["lab"]["state"] == "INSTALLED"
    assert (place.folder / "state/lab/certificate.pem").read_bytes() != certificate


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in KEY_CASES])
def test_lost_key_is_told_by_whoever_needs_it(place: Place, case: Case) -> None:
    """Its trustpoint does not pass for well; with a new key it gets a certificate again."""
    case.spoil(place.folder)
    spoilt = bytes_below(place.folder / "keys").get("lab.key")
    found = place.codes()
    found["renew"] = place.run("renew", "lab")
    found["enroll"] = place.run("enroll")
    assert found == case.codes
    assert "lost its key" in place.said
    assert "renewal.new_key = true" in place.said
    assert bytes_below(place.folder / "keys").get("lab.key") == spoilt
    assert place.run("renew", "vpn") == ExitCode.OK, place.said
    place.give_passwords()
    assert place.run("cancel", "lab") == ExitCode.OK, place.said
    assert place.run("enroll", "--again", "lab") == ExitCode.OK, place.said
    # Its successor is in use: a retired key goes, whatever it is.
    assert sorted(bytes_below(place.folder / "keys")) == ["lab.2.key", "store.header", "vpn.2.key"]
    assert place.status()["lab"]["key_id"] == "lab.2"


FILES = ("certificate.pem", "chain.pem", "ca.pem")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("spoil", damage.DAMAGES, ids=lambda spoil: spoil.__name__)
def test_damaged_certificate_file_is_mended_and_kept(
    place: Place, name: str, spoil: Callable[[Path], None]
) -> None:
    """``audit`` tells; what works with the trustpoint writes the file anew, the old one aside."""
    path = place.folder / "state/lab" / name
    content = path.read_bytes()
    spoil(path)
    spoilt = path.read_bytes() if path.is_file() else None
    assert place.run("audit") == ExitCode.FAILED
    assert f"lab: {path}: " in place.said
    assert place.run("enroll") == ExitCode.OK, place.said
    assert f"certificate.file-mended file={path}" in place.said
    assert path.read_bytes() == content
    aside = path.with_name(f"{name}.damaged-1")
    assert (aside.read_bytes() if aside.is_file() else None) == spoilt
    assert aside.exists() is (spoil is not damage.remove)
    assert place.run("audit") == ExitCode.OK, place.said
    assert (f"set aside, and kept until you delete it: {aside}" in place.said) is aside.exists()


def test_damaged_certificate_file_stays_where_no_other_can_be_written(place: Place) -> None:
    """What is in its way, as a full disk would be, costs the consumer nothing more."""
    path = place.folder / "state/lab/certificate.pem"
    spoilt = path.read_bytes()[:-100]
    path.write_bytes(spoilt)
    (path.parent / "certificate.pem.new").mkdir()
    for _ in range(2):
        assert place.run("enroll", "lab") == ExitCode.OK
        assert "certificate.file-fault" in place.said
        assert "it cannot be written anew" in place.said
        assert path.read_bytes() == spoilt
        assert not path.with_name("certificate.pem.damaged-1").exists()


def test_same_certificate_in_other_bytes_is_mended(place: Place) -> None:
    """No other certificate is claimed where an editor has left its line ends."""
    path = place.folder / "state/lab/certificate.pem"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\n", b"\r\n"))
    assert place.run("audit") == ExitCode.FAILED
    assert f"lab: {path}: is damaged" in place.said
    assert place.run("enroll", "lab") == ExitCode.OK
    assert path.read_bytes() == content


def test_chain_file_with_an_unknown_kind_of_key_stops_nobody(place: Place) -> None:
    """One bit in an algorithm's number, beside a certificate file with one in its signature."""
    own = place.folder / "state/lab"
    before = bytes_below(own)
    rsa, unknown = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a864886f70d010141")
    for name in ("certificate.pem", "chain.pem"):
        ders = [
            one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(before[name])
        ]
        if name == "chain.pem":
            assert all(rsa in der for der in ders)
            spoilt = [der.replace(rsa, unknown) for der in ders]
        else:
            spoilt = [der[:-1] + bytes([der[-1] ^ 1]) for der in ders]
        pems = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in spoilt]
        (own / name).write_bytes(b"".join(pems))
    assert place.run("audit") == ExitCode.FAILED
    assert place.run("enroll", "lab") == ExitCode.OK, place.said
    assert before.items() <= bytes_below(own).items()


def test_flipped_bit_of_a_certificate_is_damage(place: Place) -> None:
    """It may still be a certificate, but none that the CA signed."""
    path = place.folder / "state/lab/certificate.pem"
    content = path.read_bytes()
    for number in range(20):
        damage.flip(path, 8 * 60 + number * 397)
        assert place.run("enroll", "lab") == ExitCode.OK
        assert "certificate.file-mended" in place.said
        assert path.read_bytes() == content


def test_whole_certificate_of_the_same_ca_stays(place: Place) -> None:
    """The journal may be the older of the two: nothing is written over, and it is told."""
    older = bytes_below(place.folder / "state")
    assert place.run("renew", "lab") == ExitCode.OK
    newer = (place.folder / "state/lab/certificate.pem").read_bytes()
    for name in (FILE_NAME, f"{FILE_NAME}-mark"):
        (place.folder / "state" / name).write_bytes(older[name])
    assert place.run("audit") == ExitCode.FAILED
    assert "is another certificate than the journal's; is the journal an old copy?" in place.said
    assert "missing  lab " in place.said
    assert "unclear  lab.2 " in place.said
    assert place.run("enroll", "lab") == ExitCode.KEY_STORE
    assert "certificate.file-fault" in place.said
    assert (place.folder / "state/lab/certificate.pem").read_bytes() == newer


def test_key_of_a_certificate_in_use_is_not_deleted_with_the_orphans(place: Place) -> None:
    """Until another certificate is in its place, consumers need the key that nobody names."""
    assert place.run("renew") == ExitCode.OK
    sql("DELETE FROM snapshot WHERE trustpoint = 'lab'")(place.folder)
    assert place.run("audit", "--delete-orphans", "--yes") == ExitCode.FAILED
    assert place.run("set-aside") == ExitCode.OK
    assert place.run("audit", "--delete-orphans", "--yes") == ExitCode.FAILED
    assert "unclear  lab.2 " in place.said
    assert "state/lab/certificate.pem, which the journal does not know" in place.said
    place.give_passwords()
    assert place.run("enroll", "lab") == ExitCode.OK
    assert place.run("audit", "--delete-orphans", "--yes") == ExitCode.OK
    assert "deleted lab.2 " in place.said


def test_older_journal_is_gone_on_with_on_request(place: Place) -> None:
    """Refused by itself; ``set-aside --accept-older`` takes it, and ``audit`` tells the rest."""
    older = journal(place.folder).read_bytes()
    assert place.run("renew", "lab") == ExitCode.OK
    journal(place.folder).write_bytes(older)
    for command in ("status", "enroll", "audit"):
        assert place.run(command) == ExitCode.FAILED
        assert "is older than it was" in place.said
    assert place.run("set-aside", "--accept-older", "--json") == ExitCode.OK
    (done,) = json.loads(place.out)["set_aside"]
    assert Path(done["path"]).name == f"{FILE_NAME}-mark.damaged-1"
    assert place.status()["lab"]["state"] == "INSTALLED"
    assert place.run("audit") == ExitCode.FAILED
    assert "missing  lab " in place.said
    assert place.run("set-aside", "--accept-older") == ExitCode.OK
    assert "nothing is damaged" in place.said


def test_removed_trustpoint_is_set_aside_too(place: Place) -> None:
    """Left as it is, it would keep every key of the others from being deleted for ever."""
    sql("UPDATE snapshot SET seq = 1 WHERE trustpoint = 'lab'")(place.folder)
    config = place.folder / "agent.toml"
    head, _, rest = config.read_text().partition("\n[trustpoint.lab]")
    config.write_text(head + rest[rest.index("\n[trustpoint.vpn]") :])
    assert place.run("renew", "vpn") == ExitCode.OK, place.said
    assert place.run("audit") == ExitCode.FAILED
    assert "sceplab-agent set-aside lab" in place.said
    assert place.run("set-aside", "lac") == ExitCode.CONFIGURATION
    assert place.run("set-aside", "vpn") == ExitCode.OK
    assert "nothing is damaged" in place.said
    assert place.run("set-aside", "lab") == ExitCode.OK, place.said
    assert (place.folder / "state/lab.snapshot.damaged-1").exists()
    assert place.run("set-aside") == ExitCode.OK
    assert "nothing is damaged" in place.said
    assert (place.folder / "keys/vpn.key").exists()
    assert place.run("enroll") == ExitCode.OK, place.said
    assert not (place.folder / "keys/vpn.key").exists()
    assert place.run("audit") == ExitCode.FAILED
    assert "cannot be used" not in place.said
    assert place.status().keys() == {"vpn"}


def test_nothing_damaged_is_left_alone(place: Place) -> None:
    """``set-aside`` of a whole state changes no byte."""
    before = bytes_below(place.folder)
    assert place.run("set-aside") == ExitCode.OK
    assert "nothing is damaged; nothing was done" in place.said
    after = bytes_below(place.folder)
    # A look at the journal leaves SQLite's companions, without content of ours.
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() <= {f"state/{FILE_NAME}-wal", f"state/{FILE_NAME}-shm"}


@pytest.mark.parametrize("spoil", damage.DAMAGES, ids=lambda spoil: spoil.__name__)
def test_damaged_key_store_is_told_and_kept(place: Place, spoil: Callable[[Path], None]) -> None:
    """Without its header no key opens: code 6, nothing is made anew over the keys."""
    path = place.folder / "keys/store.header"
    spoil(path)
    before = bytes_below(place.folder)
    for command in ("check", "enroll", "renew", "audit"):
        assert place.run(command) == ExitCode.KEY_STORE
        assert "keys" in place.said
    assert bytes_below(place.folder / "keys") == {
        name.removeprefix("keys/"): content
        for name, content in before.items()
        if name.startswith("keys/")
    }


@pytest.mark.parametrize("spoil", damage.DAMAGES, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("name", ["certificate.pem", "fullchain.pem"])
def test_damaged_file_of_a_consumer_is_found_and_handed_over_again(
    place: Place, name: str, spoil: Callable[[Path], None]
) -> None:
    """``handoff verify`` finds it, ``handoff again`` delivers a new generation."""
    path = place.folder / "lab-files/current" / name
    spoil(path.resolve())
    assert place.run("handoff verify") == ExitCode.FAILED
    assert "lab: files: NOT PROVED" in place.said
    assert "vpn: files: proved" in place.said
    assert place.run("handoff again") == ExitCode.OK, place.said
    assert place.run("handoff verify") == ExitCode.OK
    assert place.run("audit") == ExitCode.OK, place.said


def test_running_service_leaves_the_damaged_one_out(place: Place) -> None:
    """The good one is served and renewed; mended, the other is taken up again."""
    sql("UPDATE snapshot SET seq = 1 WHERE trustpoint = 'lab'")(place.folder)
    agent = AgentFolder(place.folder)
    running = Running(agent, "run")
    assert "set-aside lab" in running.wait_for("journal.trustpoint-damaged")
    status = agent.run("status", "--json")
    assert status.status == ExitCode.FAILED
    lab, vpn = status.document()["trustpoints"]
    assert (lab["state"], lab["is_unreadable"], vpn["state"]) == ("FAILED", True, "INSTALLED")
    assert lab["certificate_file"].endswith("state/lab/certificate.pem")
    renewal = agent.run("renew")
    assert renewal.status == ExitCode.FAILED
    assert "lab: what the journal" in renewal.err
    assert "vpn: INSTALLED" in renewal.out
    assert vpn["serial_number"] not in renewal.out
    refused = agent.run("set-aside")
    assert refused.status == ExitCode.CONFIGURATION
    assert "another sceplab-agent works" in refused.err
    assert running.end(signal.SIGTERM)[0] == ExitCode.OK
    assert place.run("set-aside") == ExitCode.OK
    place.give_passwords()
    again = Running(agent, "run")
    again.wait_for("lab INSTALLED handoff.done")
    assert again.end(signal.SIGTERM)[0] == ExitCode.OK
    assert place.run("audit") == ExitCode.OK, place.said


def test_running_service_tells_a_lost_key_until_it_is_back(place: Place) -> None:
    """``status`` of the agent at work shows it, and no longer once the file is restored."""
    path = place.folder / "keys/lab.key"
    content = path.read_bytes()
    damage.cut(path)
    agent = AgentFolder(place.folder)
    running = Running(agent, "run")
    assert "lost its key" in running.wait_for("key.lost")
    (shown,) = agent.run("status", "--json", "lab").document()["trustpoints"]
    assert (shown["state"], shown["failure_cause"]) == ("INSTALLED", "key-store")
    assert "lab.key is damaged" in shown["failure"]
    path.write_bytes(content)
    (shown,) = agent.run("status", "--json", "lab").document()["trustpoints"]
    assert shown["failure"] == ""
    assert running.end(signal.SIGTERM)[0] == ExitCode.OK


@pytest.mark.parametrize(
    "spoil", [damage.empty, damage.rubbish, damage.directory], ids=lambda spoil: spoil.__name__
)
def test_something_in_the_place_of_the_control_socket(
    place: Place, spoil: Callable[[Path], None]
) -> None:
    """A file is no socket of anybody; a directory is named. Commands go on without it."""
    path = place.folder / "state/control.sock"
    path.write_bytes(b"?")
    spoil(path)
    assert place.run("status") == ExitCode.OK
    agent = AgentFolder(place.folder)
    if spoil is damage.directory:
        run = agent.run("run")
        assert run.status == ExitCode.FAILED
        assert "control.sock" in run.err
        assert "move it away" in run.err
        return
    running = Running(agent, "run", "--metrics", "127.0.0.1:0")
    running.wait_for("metrics on")
    assert path.is_socket()
    assert running.end(signal.SIGTERM)[0] == ExitCode.OK
