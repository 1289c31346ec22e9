"""Every way a key store fails: exit code 6 with the cause, and a trustpoint that still enrolls.

The faults are injected (`sceplab_hsm.fault`) and counted in a file, so that the next run of the
same configuration meets a store whose cause is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from sceplab_agent.exit_codes import ExitCode
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.fault_plan import FaultPlan
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder, AgentRun
from tests.support.agent_process import configure
from tests.support.server import make_server, serve_in_thread

pytestmark = pytest.mark.daemon

PASSPHRASE = "correct horse"
BUSY, FULL = "the token is busy; try again", "the token has no room for another key"
REMOVED, FAILURE = "the token was removed; put it back", "the token reports a failure"
MEMORY = "the token is out of memory"
UNKNOWN = "whether it carried out the operation is unknown"


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
    folder: Path, served: tuple[ServerState, str], *faults: str, attempts: int = 1
) -> AgentFolder:
    """An agent whose store has these faults, counted in a file of its folder.

    Args:
        folder: of the agent.
        served: server and URL.
        faults: as in the URI.
        attempts: after how many tries of one step a run gives up.
    """
    server, url = served
    items = "&".join(f"fault={fault}" for fault in faults)
    return configure(
        folder,
        server,
        url,
        extra=f"retry = {{ first_s = 0.1, ceiling_s = 0.1, max_attempts = {attempts} }}",
        store=f"fault+soft:keys?kdf=lab&{items}&fault-state={folder}/faults",
    )


def require_failure(run: AgentRun, *texts: str) -> None:
    """Checks a run that a key store has ended."""
    assert run.status == ExitCode.KEY_STORE, run.err
    for text in texts:
        assert text in run.err, run.err
    assert "Traceback" not in run.err
    assert PASSPHRASE not in run.out + run.err


def require_enrollment(agent: AgentFolder) -> None:
    """Enrolls, and checks that key and certificate belong together and no key is left over."""
    run = agent.run("enroll")
    assert run.status == ExitCode.OK, run.err
    certificate = x509.load_pem_x509_certificate(agent.certificate.read_bytes())
    store = open_key_store(f"soft:{agent.folder}/keys?kdf=lab", lambda _: Secret(PASSPHRASE))
    (info,) = store.list_keys()
    key = store.get(info.key_id)
    store.close()
    assert info.algorithm is KeyAlgorithm.RSA_2048
    assert key.public_key == certificate.public_key()


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("busy:open:1", BUSY),
        ("removed:open:1:1", REMOVED),
        ("wrong-pin:open:1", "the PIN is wrong"),
        ("fail:open:1", FAILURE),
        ("lost:open:1", UNKNOWN),
        ("busy:generate:1", BUSY),
        ("removed:generate:1:1", REMOVED),
        ("full:generate:1", FULL),
        ("memory:generate:1", MEMORY),
        ("fail:generate:1", FAILURE),
        ("lost:generate:1", UNKNOWN),
        ("fail:get:1", FAILURE),
        ("busy:sign:1", BUSY),
        ("memory:sign:2", MEMORY),
        ("removed:decrypt:1:1", REMOVED),
    ],
)
def test_a_failure_is_told_and_passes(
    tmp_path: Path, served: tuple[ServerState, str], fault: str, text: str
) -> None:
    """The run ends with exit code 6 and the text of the failure; the next one enrolls."""
    agent = agent_with(tmp_path, served, fault)
    require_failure(agent.run("enroll"), text, "injected")
    assert not agent.certificate.exists()
    require_enrollment(agent)


def test_a_token_that_stays_away(tmp_path: Path, served: tuple[ServerState, str]) -> None:
    """As long as it is away each run says so; once it is back the same trustpoint enrolls."""
    agent = agent_with(tmp_path, served, "removed:generate:1")
    for _ in range(2):
        require_failure(agent.run("enroll"), REMOVED)
    FaultPlan(state_path=f"{tmp_path}/faults").insert()
    require_enrollment(agent)


def test_a_lockout(tmp_path: Path, served: tuple[ServerState, str]) -> None:
    """After wrong passphrases the right one is refused as well, until the store is unlocked."""
    agent = agent_with(tmp_path, served, "lockout=2")
    require_enrollment(agent)
    secret = tmp_path / "passphrase"
    secret.write_text("guessed\n")
    for _ in range(2):
        run = agent.run("enroll")
        require_failure(run, "the passphrase is wrong")
        assert "guessed" not in run.err
    secret.write_text(PASSPHRASE + "\n")
    require_failure(agent.run("enroll"), "locked itself", "unlock it", "fault=lockout=2")
    FaultPlan(state_path=f"{tmp_path}/faults").unlock()
    run = agent.run("status")
    assert run.status == ExitCode.OK, run.err


@pytest.mark.parametrize("fault", ["busy:generate:1:2", "removed:sign:1:2"])
def test_a_passing_failure_is_outlasted(
    tmp_path: Path, served: tuple[ServerState, str], fault: str
) -> None:
    """With attempts left, one run tells of the failure, waits, tries again and enrolls."""
    agent = agent_with(tmp_path, served, fault, attempts=4)
    require_enrollment(agent)


def test_slowness_is_no_failure(tmp_path: Path, served: tuple[ServerState, str]) -> None:
    """A store that takes its time enrolls at once."""
    require_enrollment(agent_with(tmp_path, served, "slow=0.01:any"))
