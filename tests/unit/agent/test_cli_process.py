"""`sceplab-agent` as a process: signals, a kill, start-up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sceplab_agent.exit_codes import ExitCode
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import SOURCES, AgentFolder
from tests.support.agent_process import (
    PROMPT_S,
    Running,
    approve_all,
    configure,
    start_and_pend,
)
from tests.support.raw_server import raw_server, silent

pytestmark = pytest.mark.daemon


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, ExitCode.OK), (signal.SIGINT, ExitCode.INTERRUPTED)]
)
def test_run_serves_until_a_signal(
    manual_server: tuple[ServerState, str], tmp_path: Path, number: int, code: ExitCode
) -> None:
    """The service enrolls, polls through the approval, and ends as the signal says."""
    server, url = manual_server
    agent = configure(tmp_path, server, url)
    running = start_and_pend(agent, "run", "--json")
    approve_all(server)
    running.wait_for("certificate.installed")
    status, out, err = running.end(number)
    assert status == code
    assert json.loads(out)["trustpoints"][0]["state"] == "INSTALLED"
    assert "Traceback" not in err
    assert agent.certificate.exists()


def test_run_ends_although_the_server_is_silent(tmp_path: Path) -> None:
    """A request that hangs does not hold the service back; the next start goes on."""
    arrived = threading.Event()

    def hold(connection: object, request: bytes) -> None:
        arrived.set()
        silent(connection, request)  # type: ignore[arg-type]

    with raw_server(hold) as server:
        agent = AgentFolder(tmp_path)
        agent.configure(server.url, fingerprint="ab" * 32, challenge="x")
        running = Running(agent, "run")
        assert arrived.wait(PROMPT_S)
        status, out, err = running.end(signal.SIGTERM)
    assert status == ExitCode.OK
    assert "Traceback" not in err
    assert "lab: CA_FETCH" in out


@pytest.mark.parametrize("operation", ["open", "generate"])
def test_run_ends_although_a_key_store_hangs(
    manual_server: tuple[ServerState, str], tmp_path: Path, operation: str
) -> None:
    """The other trustpoint goes on, a signal ends the process, and the journal stays whole."""
    server, url = manual_server
    store = f"fault+soft:keys?kdf=lab&fault=slow=3600:{operation}:1"
    agent = configure(tmp_path, server, url, store=store)
    other = (
        '[trustpoint.other]\nkey = { store = "soft:others?kdf=lab", secret = "file:passphrase" }\n'
    )
    text = (tmp_path / "agent.toml").read_text()
    body = text.partition("[trustpoint.lab]\n")[2]
    (tmp_path / "agent.toml").write_text(f"{text}\n{other}{body}")
    running = start_and_pend(agent, "run")
    status, _, err = running.end(signal.SIGTERM)
    assert status == ExitCode.OK
    assert "Traceback" not in err
    (tmp_path / "agent.toml").write_text(text.replace("slow=3600:", "slow=0.1:"))
    assert agent.run("check").status == ExitCode.OK


def test_interrupted_wait_is_taken_up_again(
    manual_server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """Ctrl-C while the CA waits: 130, no traceback, and the same transaction afterwards."""
    server, url = manual_server
    agent = configure(tmp_path, server, url)
    running = start_and_pend(agent, "enroll")
    status, _, err = running.end(signal.SIGINT)
    assert status == ExitCode.INTERRUPTED
    assert "interrupted" in err
    assert "Traceback" not in err
    approve_all(server)
    done = agent.run("enroll", "--json")
    assert done.status == ExitCode.OK
    assert len(server.administration.pending()) == 0


def test_killed_agent_goes_on_where_it_was(
    manual_server: tuple[ServerState, str], tmp_path: Path
) -> None:
    """SIGKILL while the CA waits: the journal holds the transaction, no second one is opened."""
    server, url = manual_server
    agent = configure(tmp_path, server, url)
    running = start_and_pend(agent, "run")
    assert running.end(signal.SIGKILL)[0] == -signal.SIGKILL
    before = agent.run("status", "--json").document()["trustpoints"][0]
    approve_all(server)
    assert agent.run("enroll", "-q").status == ExitCode.OK
    assert before["transaction_id"]
    assert len(list((tmp_path / "keys").glob("*.key"))) == 1


def test_reader_that_goes_away_is_no_crash(tmp_path: Path) -> None:
    """``sceplab-agent check | head`` ends without a traceback."""
    agent = AgentFolder(tmp_path)
    agent.configure("http://ca.example.test/", fingerprint="ab" * 32, challenge="x")
    running = Running(agent, "check")
    assert running.process.stdout is not None
    running.process.stdout.close()
    running.process.wait(timeout=PROMPT_S)
    assert running.process.stderr is not None
    assert "Traceback" not in running.process.stderr.read()
    running.process.stderr.close()
    running._watchdog.cancel()


def test_help_imports_nothing_heavy() -> None:
    """Asking for help loads neither cryptography nor an event loop, and no third-party CLI."""
    code = (
        "import sys\n"
        "from sceplab_agent.cli import build_parser\n"
        "build_parser().format_help()\n"
        "heavy = {'cryptography', 'asyncio', 'transitions', 'typer', 'click', 'rich', 'pydantic',"
        " 'aiohttp', 'yaml', 'ssl', 'sqlite3', 'asn1crypto'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
