"""Certificates for one purpose: signature, encryption, or both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sceplab_agent.core.events import EnrollRequested, RenewRequested
from sceplab_agent.exit_codes import ExitCode
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from sceplab_ndes.state import ServerState
from sceplab_scep.key_usage import KeyUse, usage_extension, usage_names
from tests.support.agent_cli import AgentFolder
from tests.support.scripted_peer import Agent
from tests.support.secret_files import write_secret
from tests.support.server import make_server, serve_in_thread

pytestmark = pytest.mark.daemon

PASSPHRASE = "correct horse"
SIGNATURE, ENCRYPTION = ("digitalSignature",), ("keyEncipherment",)


def now() -> datetime:
    """The real time: the agent's command line has no other."""
    return datetime.now(UTC)


@pytest.fixture(scope="module", params=["compat", "ndes"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[ServerState, str]]:
    """A server that issues at once, and its URL."""
    server = make_server(request.param, now=now())
    with serve_in_thread(server, now) as running:
        yield server, running.scep_url


def configure(folder: Path, served: tuple[ServerState, str], **usages: str) -> AgentFolder:
    """An agent with one trustpoint for each name, and its key usage (TOML)."""
    server, url = served
    write_secret(folder / "passphrase", PASSPHRASE + "\n")
    fingerprint = server.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
    tables = []
    for name, usage in usages.items():
        password = server.challenge.issue("admin", now())
        assert password is not None
        write_secret(folder / f"{name}-otp", password.reveal() + "\n")
        tables.append(
            f'[trustpoint.{name}]\nurl = "{url}"\nsubject = "CN=router1.example.test"\n'
            f'fingerprint = "{fingerprint}"\nfloor = "ndes"\nchallenge = "file:{name}-otp"\n'
            + (f'key_usage = "{usage}"\n' if usage else "")
        )
    (folder / "agent.toml").write_text(
        '[agent]\nstate_dir = "state"\n[keystore]\nuri = "soft:keys?kdf=lab"\n'
        'secret = "file:passphrase"\n' + "".join(tables)
    )
    return AgentFolder(folder)


def certificate(agent: AgentFolder, trustpoint: str) -> x509.Certificate:
    """The installed certificate of a trustpoint."""
    path = agent.folder / "state" / trustpoint / "certificate.pem"
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.mark.covers("L7")
def test_one_device_with_a_certificate_for_each_purpose(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """Two keys, two certificates of one subject: one signs, one encrypts; renewals keep that."""
    agent = configure(tmp_path, served, sign="signature", crypt="encryption")
    for words in (("enroll",), ("renew",)):
        run = agent.run(*words)
        assert run.status == ExitCode.OK, run.err
        assert "certificate.other-usage" not in run.err
        signing, encrypting = certificate(agent, "sign"), certificate(agent, "crypt")
        assert (usage_names(signing), usage_names(encrypting)) == (SIGNATURE, ENCRYPTION)
        assert signing.subject == encrypting.subject
        uri = f"soft:{tmp_path}/keys"
        with closing(open_key_store(uri, lambda _: Secret(PASSPHRASE))) as store:
            stored = [store.get(info.key_id).public_key for info in store.list_keys()]
        assert stored == [encrypting.public_key(), signing.public_key()]
    rows = agent.run("status", "--json").document()["trustpoints"]
    assert [row["key_usage"] for row in rows] == ["digitalSignature", "keyEncipherment"]
    assert "key usage    digitalSignature\n" in agent.run("status").out
    assert 'key_usage = "encryption"' in agent.run("check").out


@pytest.mark.parametrize("use", [None, *KeyUse])
def test_requests_and_renewals_ask_for_the_use_that_is_set(
    tmp_path: Path, use: KeyUse | None
) -> None:
    """As a critical extension with those bits; without the setting there is none."""
    agent = Agent(tmp_path, policy={"key_use": use})
    for event in (EnrollRequested(), RenewRequested()):
        agent.driver.feed(event)
        extensions = agent.peer.received[-1].csr.extensions
        asked = [e for e in extensions if isinstance(e.value, x509.KeyUsage)]
        assert [e.value for e in asked] == ([usage_extension(use)] if use else [])
        assert all(e.critical for e in asked)


def test_a_changed_setting_holds_from_the_next_renewal(
    tmp_path: Path, served: tuple[ServerState, str]
) -> None:
    """By default the template decides; the setting narrows what the next certificate is for."""
    agent = configure(tmp_path, served, lab="")
    assert agent.run("enroll").status == ExitCode.OK
    assert usage_names(certificate(agent, "lab")) == (*SIGNATURE, *ENCRYPTION)
    path = tmp_path / "agent.toml"
    path.write_text(path.read_text() + 'key_usage = "signature"\n')
    assert agent.run("renew").status == ExitCode.OK
    assert usage_names(certificate(agent, "lab")) == SIGNATURE


def test_a_ca_that_grants_something_else_is_told(tmp_path: Path) -> None:
    """The certificate is installed, for the CA decides; the difference is a warning."""
    server = make_server(now=now(), settings={"template": {"key_usages": ["digitalSignature"]}})
    with serve_in_thread(server, now) as running:
        agent = configure(tmp_path, (server, running.scep_url), lab="encryption")
        run = agent.run("enroll")
    assert run.status == ExitCode.OK
    assert "certificate.other-usage" in run.err
    assert "asked=keyEncipherment granted=digitalSignature" in run.err


def test_a_wrong_word_is_told(tmp_path: Path, served: tuple[ServerState, str]) -> None:
    """With the words there are."""
    run = configure(tmp_path, served, lab="signing").run("check")
    assert run.status == ExitCode.CONFIGURATION
    assert "trustpoint.lab.key_usage: is one of signature, encryption, both" in run.err
