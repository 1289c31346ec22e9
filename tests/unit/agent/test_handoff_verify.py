"""``handoff verify`` against a real server: enroll, hand over as files, prove, damage, prove."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sceplab_agent.exit_codes import ExitCode
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import configure, now
from tests.support.server import make_server, serve_in_thread

pytestmark = pytest.mark.daemon

HANDOFF = """\
key = { exportable = true }

[[trustpoint.lab.handoff]]
kind = "files"
directory = "certificates"
"""


@pytest.fixture
def server() -> Iterator[tuple[ServerState, str]]:
    """A server that issues at once, and its URL."""
    server = make_server(now=now())
    with serve_in_thread(server, now) as running:
        yield server, running.scep_url


def verify(agent: AgentFolder) -> tuple[int, list[dict[str, object]]]:
    """Exit code and proofs."""
    done = agent.run("handoff verify", "--json")
    document = done.document()
    assert document["exit_code"] == done.status
    return done.status, document["proofs"]


def test_files_are_proved_by_a_handshake(tmp_path: Path, server: tuple[ServerState, str]) -> None:
    """What was enrolled is handed over and works; what was damaged afterwards is found."""
    agent = configure(tmp_path, *server, extra=HANDOFF)
    code, (proof,) = verify(agent)
    assert code == ExitCode.FAILED
    assert "run: sceplab-agent enroll" in str(proof["text"])
    enrolled = agent.run("enroll")
    assert enrolled.status == 0, enrolled.err
    code, (proof,) = verify(agent)
    assert code == ExitCode.OK, proof
    assert proof["is_lesser"] is True
    assert (proof["trustpoint"], proof["handoff"]) == ("lab", "files")
    told = agent.run("handoff verify").out
    assert "lab: files: proved: read back through" in told
    assert "lesser proof" in told
    (tmp_path / "certificates/current/certificate.pem").write_text("")
    code, (proof,) = verify(agent)
    assert code == ExitCode.FAILED
    assert "certificate.pem" in str(proof["text"])


def test_refused_purpose_keeps_the_agent_without_certificate(
    tmp_path: Path, server: tuple[ServerState, str]
) -> None:
    """A certificate its consumer could not use is not put in place; the reason is told."""
    agent = configure(tmp_path, *server, extra=HANDOFF + 'purpose = "smime"\n')
    done = agent.run("enroll", "--no-wait")
    assert done.status != 0
    assert "emails" in done.err + done.out
    assert not (tmp_path / "certificates").exists()
    assert not agent.certificate.exists()
