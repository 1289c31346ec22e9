"""Which key store a trustpoint takes: the chip where there is one, the fallback it names, or none.

Keys are looked for in both stores after every run, so that none appears where it should not.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sceplab_agent import cli
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import Running, configure
from tests.support.secret_files import write_secret
from tests.support.server import make_server, serve_in_thread
from tests.support.swtpm import PIN, require_tpm, software_tpm, tpm_store

pytestmark = pytest.mark.daemon

PASSPHRASE = "correct horse"
SOFT = "soft:software?kdf=lab"
EVENT = "key-store.fallback"
PATIENCE = "retry = { first_s = 0.1, ceiling_s = 0.1, max_attempts = 1 }"


def now() -> datetime:
    """The real time: the agent's command line has no other."""
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[ServerState, str]]:
    """A server that issues at once, and its URL."""
    server = make_server(now=now())
    with serve_in_thread(server, now) as running:
        yield server, running.scep_url


def agent_with(
    folder: Path, served: tuple[ServerState, str], store: str, fallback: str = SOFT
) -> AgentFolder:
    """An agent whose keys belong into ``store``, with a fallback."""
    write_secret(folder / "pin", PIN + "\n")
    return configure(
        folder, *served, extra=PATIENCE, store=store, secret="file:pin", fallback=fallback
    )


def chip_uri(tcti: str) -> str:
    """A store on a chip, its files in the agent's folder."""
    return f"tpm:chip-keys?tcti={tcti}"


def nobody() -> str:
    """A connection to a chip that was never started."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"swtpm:host=127.0.0.1,port={found.getsockname()[1]}"


def software_keys(agent: AgentFolder) -> list[bytes]:
    """Public halves of the keys of the fallback."""
    place = agent.folder / "software"
    if not place.exists():
        return []
    store = open_key_store(f"soft:{place}", lambda _: Secret(PASSPHRASE))
    try:
        return [info.public_key_der for info in store.list_keys()]
    finally:
        store.close()


def certified_key(agent: AgentFolder) -> bytes:
    """Public key of the installed certificate, DER."""
    certificate = x509.load_pem_x509_certificate(agent.certificate.read_bytes())
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def fallbacks(agent: AgentFolder) -> list[dict[str, object]]:
    """What the journal says of fallbacks."""
    journal = SqliteJournal.open_read_only(agent.folder / "state" / FILE_NAME)
    assert journal is not None
    try:
        return [dict(e.details) for e in journal.entries("lab") if e.event_id == EVENT]
    finally:
        journal.close()


@pytest.mark.covers("L1")
def test_the_chip_is_used_where_there_is_one(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """The key is made in the chip, nothing is said of a fallback, and no software key appears."""
    with software_tpm(tmp_path / "swtpm") as chip:
        agent = agent_with(tmp_path, served, chip_uri(chip.tcti))
        assert "falls back" not in agent.run("check").out
        run = agent.run("enroll", "--json")
        assert run.status == ExitCode.OK, run.err
        assert EVENT not in run.err
        (status,) = run.document()["trustpoints"]
        assert status["key_store"].startswith("tpm:")
        assert status["is_fallback"] is False
        store = tpm_store(chip, tmp_path / "chip-keys", create=False)
        assert [info.public_key_der for info in store.list_keys()] == [certified_key(agent)]
        store.close()
        assert software_keys(agent) == []
        assert fallbacks(agent) == []
        assert agent.run("audit").status == ExitCode.OK


@pytest.mark.covers("L1")
def test_without_a_chip_the_fallback_is_used_and_told(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """Check foretells it; line, journal and status tell it; later runs find the key there."""
    require_tpm()
    agent = agent_with(tmp_path, served, chip_uri(nobody()))
    foretold = agent.run("check").out
    assert "# lab: falls back to soft:" in foretold
    assert "no TPM answers" in foretold
    assert not (tmp_path / "software").exists()
    run = agent.run("enroll", "--quiet", "--json")
    assert run.status == ExitCode.OK, run.err
    (line,) = run.err.splitlines()
    assert EVENT in line
    assert f"store=soft:{tmp_path}/software" in line
    assert "instead_of=tpm:" in line
    assert "no TPM answers" in line
    (status,) = run.document()["trustpoints"]
    assert status["key_store"] == f"soft:{tmp_path}/software?kdf=lab"
    assert status["is_fallback"] is True
    assert software_keys(agent) == [certified_key(agent)]
    (told,) = fallbacks(agent)
    assert "no TPM answers" in str(told["reason"])
    shown = agent.run("status").out
    assert f"key store    soft:{tmp_path}/software?kdf=lab (fallback)" in shown
    audited = agent.run("audit", "--json").document()
    assert [store["keys"] for store in audited["stores"]] == [0, 1]
    assert audited["findings"] == []
    assert audited["ok"]


@pytest.mark.covers("L1")
def test_a_missing_binding_leads_to_the_fallback(
    tmp_path: Path,
    served: tuple[ServerState, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where the TPM binding is not installed the line names the extra to install."""
    monkeypatch.setitem(sys.modules, "tpm2_pytss", None)
    agent = agent_with(tmp_path, served, "tpm:chip-keys")
    code = cli.main(["enroll", "-c", str(tmp_path / "agent.toml")])
    out, err = capsys.readouterr()
    assert code == ExitCode.OK, err
    assert "pip install 'sceplab[tpm]'" in err
    assert "(fallback)" in out
    assert software_keys(agent) == [certified_key(agent)]


def test_the_service_tells_it_too(tmp_path: Path, served: tuple[ServerState, str]) -> None:
    """A running agent enrolls in the fallback; the line comes before anything else happens."""
    module = "pkcs11:token=none?module-path=/usr/lib/none/such.so"
    agent = agent_with(tmp_path, served, module)
    running = Running(agent, "run")
    running.wait_for(EVENT)
    running.wait_for("certificate.installed")
    code, out, _ = running.end(signal.SIGTERM)
    assert code == ExitCode.OK
    assert "(fallback)" in out
    assert software_keys(agent) == [certified_key(agent)]


@pytest.mark.covers("L1")
def test_a_chip_that_appears_later_does_not_strand_the_key(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """Status, renewal and audit go on in the fallback, and say so each time."""
    with software_tpm(tmp_path / "swtpm") as chip:
        chip.power_cut()
        agent = agent_with(tmp_path, served, chip_uri(chip.tcti))
        assert agent.run("enroll").status == ExitCode.OK
        first = certified_key(agent)
        chip.restart()
        assert "falls back to soft:" in agent.run("check").out
        run = agent.run("renew")
        assert run.status == ExitCode.OK, run.err
        assert "the key is there" in run.err
        assert certified_key(agent) != first
        assert software_keys(agent) == [certified_key(agent)]
        assert len(fallbacks(agent)) == 2
        assert agent.run("audit").status == ExitCode.OK


@pytest.mark.covers("L1")
def test_a_chip_that_goes_away_with_the_key_is_a_failure(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """Exit code 6 and no software key; when the chip is back the trustpoint goes on."""
    with software_tpm(tmp_path / "swtpm") as chip:
        agent = agent_with(tmp_path, served, chip_uri(chip.tcti))
        assert agent.run("enroll").status == ExitCode.OK
        first = certified_key(agent)
        chip.power_cut()
        for words in (("renew",), ("enroll", "--again"), ("check",), ("audit",)):
            run = agent.run(*words)
            assert run.status == ExitCode.KEY_STORE, (words, run.out, run.err)
            assert "no TPM answers" in run.out + run.err
        assert "so the fallback soft:" in agent.run("renew").err
        assert not (tmp_path / "software").exists()
        assert fallbacks(agent) == []
        chip.restart()
        assert agent.run("renew").status == ExitCode.OK
        assert certified_key(agent) != first
        assert software_keys(agent) == []


@pytest.mark.covers("L1")
def test_a_wrong_pin_never_leads_to_the_fallback(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """Exit code 6; the fallback is not even made."""
    with software_tpm(tmp_path / "swtpm") as chip:
        tpm_store(chip, tmp_path / "chip-keys", pin="another").close()
        agent = agent_with(tmp_path, served, chip_uri(chip.tcti))
        run = agent.run("enroll")
        assert run.status == ExitCode.KEY_STORE
        assert "PIN" in run.err
        assert PIN not in run.err
        assert not (tmp_path / "software").exists()


@pytest.mark.parametrize(
    "fault",
    [
        "wrong-pin:open:1",
        "busy:open:1",
        "fail:open:1",
        "full:generate:1",
        "removed:generate:1:1",  # the journal has named the key by then
    ],
)
def test_failures_never_lead_to_the_fallback(
    tmp_path: Path, served: tuple[ServerState, str], fault: str
) -> None:
    """What is there and fails is told with exit code 6, and the same store enrolls afterwards."""
    uri = f"fault+soft:keys?kdf=lab&fault={fault}&fault-state={tmp_path}/faults"
    agent = agent_with(tmp_path, served, uri)
    run = agent.run("enroll")
    assert run.status == ExitCode.KEY_STORE, run.err
    assert EVENT not in run.err
    assert agent.run("enroll").status == ExitCode.OK
    assert not (tmp_path / "software").exists()


def test_a_chip_that_fails_does_not_lead_to_the_fallback(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """What is no chip at the place of the chip is a failure, and no key is made in software."""
    require_tpm()
    agent = agent_with(tmp_path, served, chip_uri(f"device:{tmp_path}"))
    run = agent.run("enroll")
    assert run.status == ExitCode.KEY_STORE, run.err
    assert "device of a TPM" in run.err
    assert EVENT not in run.err
    assert not (tmp_path / "software").exists()


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=none?module-path=/usr/lib/none/such.so",
        "fault+soft:keys?kdf=lab&fault=removed:open:1",
    ],
    ids=["module", "token"],
)
def test_other_absent_stores_lead_to_it_too(
    tmp_path: Path, served: tuple[ServerState, str], uri: str
) -> None:
    """A module that is not installed, a token that is not plugged in."""
    agent = agent_with(tmp_path, served, uri)
    run = agent.run("enroll")
    assert run.status == ExitCode.OK, run.err
    assert EVENT in run.err
    assert software_keys(agent) == [certified_key(agent)]


def test_both_stores_failing_is_told_of_both(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """The error has the reasons of the first store and of the fallback."""
    module = "pkcs11:token=none?module-path=/usr/lib/none/such.so"
    agent = agent_with(tmp_path, served, module, "fault+soft:x?kdf=lab&fault=wrong-pin:open:1")
    run = agent.run("enroll")
    assert run.status == ExitCode.KEY_STORE
    assert "such.so is not there" in run.err
    assert "and the fallback does not open:" in run.err


def test_a_fallback_that_left_the_file_with_a_key_in_it(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """It is asked for, by name; as the trustpoint's own store it is taken without a word."""
    module = "pkcs11:token=none?module-path=/usr/lib/none/such.so"
    agent = agent_with(tmp_path, served, module)
    assert agent.run("enroll").status == ExitCode.OK
    path = tmp_path / "agent.toml"
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("fallback")))
    for command in ("renew", "check", "audit"):
        run = agent.run(command)
        assert run.status == ExitCode.KEY_STORE
        assert f"the key of trustpoint lab is in soft:{tmp_path}/software" in run.err
    assert "/software" in agent.run("status").out
    own = text.replace(module, SOFT).replace("file:pin", "file:passphrase")
    path.write_text(
        "".join(x for x in own.splitlines(keepends=True) if not x.startswith("fallback"))
    )
    run = agent.run("renew")
    assert run.status == ExitCode.OK, run.err
    assert EVENT not in run.err
    assert "(fallback)" not in agent.run("status").out


def test_an_orphan_in_the_unused_store_is_found(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """A key of the trustpoint's name that is not in the store the journal means is an orphan."""
    store = "soft:keys?kdf=lab"
    write_secret(tmp_path / "pin", PASSPHRASE + "\n")
    agent = configure(tmp_path, *served, store=store, fallback=SOFT)
    assert agent.run("enroll").status == ExitCode.OK
    (tmp_path / "software").mkdir(mode=0o700)
    other = open_key_store(f"soft:{tmp_path}/{SOFT[5:]}", lambda _: Secret(PASSPHRASE), create=True)
    other.generate("lab", KeyAlgorithm.EC_P256)
    other.close()
    run = agent.run("audit", "--json")
    assert run.status == ExitCode.FAILED
    (finding,) = run.document()["findings"]
    assert finding["fault"] == "orphan"
    assert finding["store"].startswith(f"soft:{tmp_path}/software")
    assert agent.run("audit", "--delete-orphans", "--yes").status == ExitCode.OK
    assert software_keys(agent) == []
