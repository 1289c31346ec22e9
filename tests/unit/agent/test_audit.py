"""Keys without a trustpoint, trustpoints without their key, and what may be deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sceplab_agent import cli, cli_audit
from sceplab_agent.audit import Fault, KeyAudit, KeyFinding
from sceplab_agent.config import AgentConfig, load_config
from sceplab_agent.core.events import EnrollRequested, RenewRequested
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.install import FileInstaller
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.key_claims import KeyClaimedError
from sceplab_agent.key_stores import KeyStores
from sceplab_agent.state_dir import StateDirLock
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import StoreBusyError
from tests.support.scripted_peer import PASSPHRASE, T0, Agent
from tests.support.secret_files import write_secret
from tests.support.soft_stores import soft_store

EC = KeyAlgorithm.EC_P256
CONFIG = """
[agent]
state_dir = "state"
[keystore]
uri = "soft:keys?kdf=lab"
secret = "file:pass"
"""
TRUSTPOINT = """
[trustpoint.{name}]
url = "http://ca.example.test/scep"
subject = "CN=x"
fingerprint = "{pin}"
"""


@dataclass
class Audited:
    """An agent's folder that has enrolled trustpoint ``lab``, and its command line."""

    folder: Path
    agent: Agent
    capture: pytest.CaptureFixture[str]

    def configure(self, *names: str, extra: str = "") -> None:
        """Writes the configuration."""
        tables = [TRUSTPOINT.format(name=name, pin="ab" * 32) for name in names]
        (self.folder / "agent.toml").write_text(CONFIG + "".join(tables) + extra)

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, output, errors."""
        self.capture.readouterr()
        code = cli.main(["audit", "-c", str(self.folder / "agent.toml"), *words])
        return code, *self.capture.readouterr()

    def document(self, *words: str) -> Any:
        """What ``--json`` says."""
        return json.loads(self.run("--json", *words)[1])

    def faults(self, *words: str) -> dict[str, str]:
        """What is wrong, by name of the key."""
        return {found["key_id"]: found["fault"] for found in self.document(*words)["findings"]}

    def stored(self) -> list[str]:
        """Names of the keys in the store."""
        return [info.key_id for info in self.agent.store.list_keys()]


@pytest.fixture
def audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Audited:
    """One trustpoint with a certificate."""
    (tmp_path / "state").mkdir(mode=0o700)
    write_secret(tmp_path / "pass", PASSPHRASE)
    journal = SqliteJournal.create_or_open(tmp_path / "state" / FILE_NAME)
    agent = Agent(tmp_path, journal=journal, installer=FileInstaller(tmp_path / "state"))
    agent.driver.feed(EnrollRequested())
    found = Audited(tmp_path, agent, capsys)
    found.configure("lab")
    return found


def stamped(audited: Audited, after: timedelta = timedelta()) -> Any:
    """The store, opened so that new keys bear a time."""
    return soft_store(audited.folder / "keys", passphrase=PASSPHRASE, now=lambda: T0 + after)


def test_clean_store_is_clean(audited: Audited) -> None:
    """One key, one trustpoint: code 0, also through the lab's own command."""
    code, out, _ = audited.run()
    assert code == ExitCode.OK
    assert f"soft:{audited.folder}/keys?kdf=lab (lab): 1 key\n" in out
    assert "every key has its trustpoint" in out
    assert cli.audit_main(["-c", str(audited.folder / "agent.toml")]) == ExitCode.OK


def test_orphans_are_listed_and_kept(audited: Audited) -> None:
    """Type, time and whose name it bears; nothing is deleted by looking."""
    store = stamped(audited)
    store.generate("lab.7", EC)
    store.generate("stranger", EC)
    document = audited.document()
    assert (document["ok"], document["exit_code"]) == (False, ExitCode.FAILED)
    ours, other = document["findings"]
    assert (ours["key_id"], ours["fault"], ours["trustpoint"]) == ("lab.7", "orphan", "lab")
    assert (ours["algorithm"], ours["created_at"]) == ("ec:p256", "2026-03-01T12:00:00Z")
    assert ours["store"] == f"soft:{audited.folder}/keys?kdf=lab"
    assert (other["key_id"], other["trustpoint"]) == ("stranger", "")
    _, out, _ = audited.run()
    assert "orphan   lab.7" in out
    assert "Another configuration or program may keep keys" in out
    assert audited.stored() == ["lab", "lab.7", "stranger"]


def test_missing_key_is_named(audited: Audited) -> None:
    """A certificate in use whose key is gone, or is another one under its name."""
    audited.agent.store.delete("lab")
    assert audited.faults() == {"lab": "missing"}
    audited.agent.store.generate("lab", EC)
    assert audited.run()[0] == ExitCode.FAILED
    assert "another key bears its name" in audited.run()[1]


def test_key_of_a_transaction_is_no_orphan(audited: Audited) -> None:
    """Key in use and key of the renewal under way are both named by the journal."""
    audited.agent.peer.plan(audited.agent.peer.pend)
    audited.agent.driver.feed(RenewRequested())
    assert audited.stored() == ["lab", "lab.2"]
    assert audited.faults() == {}
    audited.agent.store.delete("lab.2")
    assert audited.faults() == {"lab.2": "missing"}


def test_key_that_waits_for_its_deletion_is_no_orphan(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retired key whose deletion failed is remembered by the journal."""

    def busy(key_id: str) -> None:
        raise StoreBusyError("busy")

    with monkeypatch.context() as patch:
        patch.setattr(audited.agent.store, "delete", busy)
        audited.agent.driver.feed(RenewRequested())
    assert audited.stored() == ["lab", "lab.2"]
    assert audited.faults() == {}
    audited.agent.restart()
    assert audited.stored() == ["lab.2"]


def test_key_of_a_removed_trustpoint_is_told_apart(audited: Audited) -> None:
    """Its certificate may still be in use: never taken for an orphan, never deleted."""
    audited.configure("new")
    document = audited.document("--delete-orphans", "--yes")
    (found,) = document["findings"]
    assert (found["fault"], found["trustpoint"]) == ("removed", "lab")
    assert document["deleted"] == []
    assert audited.stored() == ["lab"]


@pytest.mark.parametrize("key", ['key = { id = "spare", delete_when_replaced = false }', ""])
def test_key_that_a_trustpoint_will_find_is_no_orphan(audited: Audited, key: str) -> None:
    """A key provisioned before the first enrollment, or one the operator keeps for himself."""
    audited.configure("lab", "spare", extra=key)
    audited.agent.store.generate("spare", EC)
    assert audited.faults() == {}


def test_orphans_of_ours_are_deleted_on_request(audited: Audited) -> None:
    """Only what bears our names goes; the rest stays, and keeps the code at 1."""
    stamped(audited).generate("lab.7", EC)
    document = audited.document("--delete-orphans", "--yes")
    assert document["exit_code"] == ExitCode.OK
    assert [found["key_id"] for found in document["deleted"]] == ["lab.7"]
    stamped(audited).generate("stranger", EC)
    code, out, _ = audited.run("--delete-orphans", "--yes")
    assert code == ExitCode.FAILED
    assert "deleted" not in out.partition("Another configuration")[0]
    assert audited.stored() == ["lab", "stranger"]


def test_nothing_young_is_deleted_while_a_transaction_is_under_way(audited: Audited) -> None:
    """Keys as young as the transaction, and keys of unknown age, stay; older ones go."""
    audited.agent.clock.move_to(T0 + timedelta(days=10))
    audited.agent.peer.plan(audited.agent.peer.pend)
    audited.agent.driver.feed(RenewRequested())
    stamped(audited, timedelta(days=9)).generate("lab.7", EC)
    stamped(audited, timedelta(days=10)).generate("lab.8", EC)
    audited.agent.store.generate("lab.9", EC)
    document = audited.document("--delete-orphans", "--yes")
    assert [found["key_id"] for found in document["deleted"]] == ["lab.7"]
    assert audited.stored() == ["lab", "lab.2", "lab.8", "lab.9"]


@pytest.mark.parametrize(("answer", "is_deleted"), [("yes\n", True), ("y\n", False), ("", False)])
def test_deletion_is_confirmed(
    audited: Audited, monkeypatch: pytest.MonkeyPatch, answer: str, is_deleted: bool
) -> None:
    """At a terminal only a plain yes deletes."""
    stamped(audited).generate("lab.7", EC)

    class Terminal:
        """Somebody who types one answer."""

        isatty: Callable[[], bool] = staticmethod(lambda: True)
        readline: Callable[[], str] = staticmethod(lambda: answer)

    monkeypatch.setattr(cli_audit.sys, "stdin", Terminal())
    code, _, err = audited.run("--delete-orphans")
    assert "Delete 1 key for good?" in err
    assert code == (ExitCode.OK if is_deleted else ExitCode.CONFIGURATION)
    assert ("lab.7" in audited.stored()) is not is_deleted


def test_nobody_to_ask_is_an_error(audited: Audited) -> None:
    """A script has to say --yes."""
    stamped(audited).generate("lab.7", EC)
    document = audited.document("--delete-orphans")
    assert document["exit_code"] == ExitCode.CONFIGURATION
    assert "add --yes" in document["error"]
    assert "lab.7" in audited.stored()


def test_without_a_journal_nothing_is_deleted(audited: Audited) -> None:
    """Every key would look like an orphan then, the ones in use as well."""
    audited.agent.journal.close()
    for path in (audited.folder / "state").glob("journal*"):
        path.unlink()
    stamped(audited).generate("lab.7", EC)
    assert audited.faults() == {"lab.7": "orphan"}
    code, _, err = audited.run("--delete-orphans", "--yes")
    assert code == ExitCode.CONFIGURATION
    assert "nothing is deleted" in err
    assert audited.stored() == ["lab", "lab.7"]


def test_deleting_waits_for_no_agent_at_work(audited: Audited) -> None:
    """Looking is always possible; deleting is not while an agent works there."""
    with StateDirLock(audited.folder / "state"):
        assert audited.run()[0] == ExitCode.OK
        code, _, err = audited.run("--delete-orphans", "--yes")
    assert code == ExitCode.CONFIGURATION
    assert "another sceplab-agent works in" in err


def test_store_that_does_not_open_is_told_beside_the_others(audited: Audited) -> None:
    """Code 6, the reason, and all the same what the other stores hold."""
    away = 'key = { store = "pkcs11:token=t?module-path=/nonexistent.so", secret = "file:pass" }'
    audited.configure("lab", "away", extra=away)
    stamped(audited).generate("lab.7", EC)
    document = audited.document()
    assert document["exit_code"] == ExitCode.KEY_STORE
    assert [bool(store["error"]) for store in document["stores"]] == [False, True]
    assert [found["key_id"] for found in document["findings"]] == ["lab.7"]


def test_store_that_is_not_made_yet_is_clean(audited: Audited) -> None:
    """Before the first enrollment there is nothing to look at, and nothing is made."""
    audited.configure("lab", "new", extra='key = { store = "soft:later", secret = "file:pass" }')
    document = audited.document("new")
    assert document["exit_code"] == ExitCode.OK
    assert [store["keys"] for store in document["stores"]] == [0]
    assert not (audited.folder / "later").exists()


def test_store_that_vanished_with_its_keys_is_an_error(audited: Audited) -> None:
    """The journal knows that there was a key."""
    (audited.folder / "keys").rename(audited.folder / "unmounted")
    document = audited.document()
    assert document["exit_code"] == ExitCode.KEY_STORE
    assert "there is no key store" in document["stores"][0]["error"]


def in_two_ways(audited: Audited) -> AgentConfig:
    """Trustpoints ``lab`` and ``lab7``, the second one by a link and with the key ``lab.7``."""
    (audited.folder / "link").symlink_to("keys")
    audited.configure("lab", "lab7")
    lab, other = load_config(audited.folder / "agent.toml").trustpoints
    other = replace(
        other,
        store_uri=f"soft:{audited.folder}/link",
        policy=replace(other.policy, key_id="lab.7"),
    )
    config = load_config(audited.folder / "agent.toml")
    return replace(config, trustpoints=(lab, other))


def test_a_key_that_a_trustpoint_has_by_another_spelling_is_no_orphan(audited: Audited) -> None:
    """Its name tells, and its public key does where the name is not known to be of this store."""
    config = in_two_ways(audited)
    journal = audited.agent.journal
    stores = KeyStores(now=lambda: T0)
    policy = {"name": "lab7", "key_id": "lab.7"}
    neighbour = Agent(audited.folder, policy=policy, config={"name": "lab7"}, journal=journal)
    neighbour.driver.feed(EnrollRequested())
    audit = KeyAudit(config, journal, stores)
    assert [found.findings for found in audit.run(config.trustpoints)] == [()]
    alone = replace(config, trustpoints=config.trustpoints[:1])
    (found,) = KeyAudit(alone, journal, stores).run(alone.trustpoints)
    assert [(one.key_id, one.fault) for one in found.findings] == [("lab.7", Fault.REMOVED)]
    elsewhere = replace(config.trustpoints[1], store_uri=f"soft:{audited.folder}/elsewhere")
    config = replace(config, trustpoints=(config.trustpoints[0], elsewhere))
    audit = KeyAudit(config, journal, stores)
    (found,) = audit.run(config.trustpoints[:1])
    assert found.findings == ()
    orphan = KeyFinding(fault=Fault.ORPHAN, store=found.uri, key_id="lab.7")
    with pytest.raises(KeyClaimedError, match="stays: it is the key in use of trustpoint 'lab7'"):
        audit.delete(orphan)
    assert audited.stored() == ["lab", "lab.7"]
    stores.close()


def test_two_spellings_of_one_store_are_told_before_anything_is_deleted(audited: Audited) -> None:
    """What would make one trustpoint's key an orphan of the other is a mistake in the file."""
    (audited.folder / "link").symlink_to("keys")
    key = 'key = { store = "soft:link", secret = "file:pass", id = "lab.7" }\n'
    audited.configure("lab", "lab7", extra=key)
    audited.agent.store.generate("lab.7", EC)
    code, _, error = audited.run("--delete-orphans", "--yes")
    assert code == ExitCode.CONFIGURATION
    assert "'lab.7' is what a renewal names a new key of 'lab'" in error
    assert audited.stored() == ["lab", "lab.7"]
