"""A key that was deleted does not come back by waiting: the agent says so at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sceplab_agent.exit_codes import ExitCode
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
from sceplab_ndes.state import ServerState
from tests.support.agent_process import configure
from tests.support.server import make_server, serve_in_thread

pytestmark = pytest.mark.daemon

PASSPHRASE = "correct horse"


def now() -> datetime:
    """The real time: the agent's command line has no other."""
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[ServerState, str]]:
    """A server that issues at once, and its URL."""
    server = make_server(now=now())
    with serve_in_thread(server, now) as running:
        yield server, running.scep_url


@pytest.mark.parametrize("new_key", ["true", "false"])
def test_a_renewal_without_its_key_ends_at_once(
    tmp_path: Path, served: tuple[ServerState, str], new_key: str
) -> None:
    """Exit code 6 after one try, with what to do; no second try follows."""
    agent = configure(
        tmp_path,
        *served,
        extra=f"""retry = {{ first_s = 0.1, ceiling_s = 0.1, max_attempts = 4 }}
renewal = {{ new_key = {new_key} }}""",
        store="soft:keys?kdf=lab",
    )
    run = agent.run("enroll")
    assert run.status == ExitCode.OK, run.err
    store = open_key_store(f"soft:{tmp_path}/keys?kdf=lab", lambda _: Secret(PASSPHRASE))
    (info,) = store.list_keys()
    store.delete(info.key_id)
    store.close()
    run = agent.run("renew")
    assert run.status == ExitCode.KEY_STORE, run.err
    assert f"no key '{info.key_id}'" in run.err
    assert "restore it" in run.err
    assert "renewal.new_key = true" in run.err
    assert run.err.count("enrollment.retry") == 1, run.err
