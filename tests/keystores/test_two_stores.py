"""One agent, two trustpoints, two key stores: the machine's and the user's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sceplab_agent.exit_codes import ExitCode
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import secrets_from
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import ROOT, AgentFolder
from tests.support.secret_files import write_secret
from tests.support.server import make_server, serve_in_thread
from tests.support.softhsm import make_token

pytestmark = pytest.mark.daemon

EXAMPLE = re.compile(r"```toml\n(\[agent\].*?\[trustpoint\.user\.key\].*?)```", re.DOTALL)


def now() -> datetime:
    """The real time: the agent's command line has no other."""
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[ServerState, str]]:
    """A server that issues at once, and its URL."""
    server = make_server(now=now())
    with serve_in_thread(server, now) as running:
        yield server, running.scep_url


def softhsm(_folder: Path) -> tuple[str, str]:
    """A token of the machine: its URI, and the reference to its PIN."""
    token = make_token()
    return token.uri, token.secret_reference


def tpm_stub(folder: Path) -> tuple[str, str]:
    """A stub of the machine's TPM."""
    write_secret(folder / "machine-pin", "4711 4711\n")
    return f"tpm-stub:{folder}/chip", f"file:{folder}/machine-pin"


def configure(
    folder: Path, served: tuple[ServerState, str], uri: str, reference: str
) -> AgentFolder:
    """The example of the agent's README, with this machine store and this server in it."""
    server, url = served
    home = folder / "home" / "user1"
    home.mkdir(parents=True, mode=0o700)
    write_secret(home / "passphrase", "the user's own words\n")
    for name in ("machine", "user"):
        password = server.challenge.issue("admin", now())
        assert password is not None
        write_secret(folder / f"{name}-otp", password.reveal() + "\n")
    found = EXAMPLE.search((ROOT / "agent/README.md").read_text("utf-8"))
    assert found is not None
    fingerprint = server.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
    text = found[1]
    for written, real in (
        ("pkcs11:token=board1?module-path=/usr/lib/softhsm/libsofthsm2.so", uri),
        ("file:/etc/agent/board1.pin", reference),
        ("/home/user1", str(home)),
        ("/var/lib/agent", str(folder / "state")),
        ("file:/etc/agent/", f"file:{folder}/"),
        ("http://ndes.example.test/certsrv/mscep/mscep.dll", url),
        ("sha256:HEX", f"sha256:{fingerprint}"),
    ):
        assert written in text
        text = text.replace(written, real)
    (folder / "agent.toml").write_text(text)
    return AgentFolder(folder)


def stored_keys(uri: str, reference: str) -> dict[str, bytes]:
    """Public halves of the keys of a store, by name."""
    with closing(open_key_store(uri, secrets_from(reference))) as store:
        return {info.key_id: info.public_key_der for info in store.list_keys()}


def certified_key(agent: AgentFolder, trustpoint: str) -> bytes:
    """Public key of an installed certificate, DER."""
    path = agent.folder / "state" / trustpoint / "certificate.pem"
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("machine", [softhsm, tpm_stub])
@pytest.mark.covers("L4")
def test_machine_and_user_keys_stay_apart(
    tmp_path: Path,
    served: tuple[ServerState, str],
    machine: Callable[[Path], tuple[str, str]],
) -> None:
    """Both enroll and renew; each store holds the key of its own trustpoint and no other."""
    uri, reference = machine(tmp_path)
    agent = configure(tmp_path, served, uri, reference)
    home = tmp_path / "home" / "user1"
    for words in (("enroll",), ("renew",)):
        run = agent.run(*words)
        assert run.status == ExitCode.OK, run.err
        ours = stored_keys(uri, reference)
        theirs = stored_keys(f"soft:{home}/keys", f"file:{home}/passphrase")
        assert list(ours.values()) == [certified_key(agent, "machine")]
        assert list(theirs.values()) == [certified_key(agent, "user")]
    status = agent.run("status", "--json").document()["trustpoints"]
    assert [row["key_store"].partition(":")[0] for row in status] == [uri.partition(":")[0], "soft"]
    assert agent.run("audit").status == ExitCode.OK


@pytest.mark.parametrize(("broken", "fine"), [("machine", "user"), ("user", "machine")])
@pytest.mark.covers("L4")
def test_a_wrong_secret_of_one_leaves_the_other_alone(
    tmp_path: Path, served: tuple[ServerState, str], broken: str, fine: str
) -> None:
    """The trustpoint of the store that does not open fails with exit code 6, the other enrolls."""
    uri, reference = tpm_stub(tmp_path)
    agent = configure(tmp_path, served, uri, reference)
    secrets = {
        "machine": tmp_path / "machine-pin",
        "user": tmp_path / "home" / "user1" / "passphrase",
    }
    assert agent.run("enroll").status == ExitCode.OK
    before = certified_key(agent, fine)
    write_secret(secrets[broken], "guessed\n")
    run = agent.run("renew")
    assert run.status == ExitCode.KEY_STORE, run.err
    assert f"sceplab-agent: {broken}: " in run.err
    assert certified_key(agent, fine) != before
