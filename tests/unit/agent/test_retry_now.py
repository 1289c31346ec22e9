"""A pause after a failure ends when the operator asks, however long it is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import FetchCa, SendRequest
from sceplab_agent.core.policy import Backoff, RetryPolicy
from sceplab_agent.core.states import State
from sceplab_agent.daemon.control_socket import connect
from sceplab_agent.exit_codes import ExitCode
from sceplab_ndes.state import ServerState
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import Running, configure, now
from tests.support.core import LIFETIME, UNREACHABLE, Stage, policy
from tests.support.server import make_server
from tests.support.switched_server import SwitchedServer, switched_server
from tests.support.waiting import wait_until

HOUR_S = 3600
RARELY = RetryPolicy(max_attempts=3, backoff=Backoff(first_s=HOUR_S, ceiling_s=HOUR_S))
TRY_NOW = (ev.RetryRequested(), ev.DeadlineReached())


def ask(stage: Stage) -> None:
    """The operator wants it now."""
    for event in TRY_NOW:
        stage.give(event)


def test_a_renewal_is_tried_at_once_with_all_its_attempts() -> None:
    """The pause is over and nothing counts that failed before."""
    stage = Stage(policy=policy(retry=RARELY)).to_installed()
    stage.wake()
    for _ in range(5):
        stage.give(UNREACHABLE)
        stage.wake()
    stage.give(UNREACHABLE)
    assert stage.state is State.RETRY_WAIT
    before = stage.now
    stage.give(ev.RetryRequested())
    assert stage.ids() == ["enrollment.hastened"]
    assert stage.machine.failure is None
    assert (stage.machine.attempts, stage.machine.rounds) == (0, 0)
    assert stage.machine.next_deadline() == before
    stage.give(ev.DeadlineReached())
    stage.one(FetchCa)
    assert (stage.state, stage.now) == (State.RENEW_DUE, before)


def test_an_unanswered_request_is_sent_again_byte_for_byte() -> None:
    """Asking opens no second transaction (RFC 8894 §5.2)."""
    stage = Stage(policy=policy(retry=RARELY)).to_renewal_sent()
    sent = stage.one(SendRequest)
    stage.give(UNREACHABLE)
    ask(stage)
    again = stage.one(SendRequest)
    assert again.message_der == sent.message_der
    assert again.transaction_id == sent.transaction_id


def test_a_certificate_that_ended_in_the_pause_is_not_renewed() -> None:
    """What the moment brings goes first."""
    stage = Stage(policy=policy(retry=RARELY)).to_installed()
    stage.wake()
    stage.give(UNREACHABLE)
    stage.now += LIFETIME
    ask(stage)
    assert stage.state is State.FAILED
    assert stage.ids() == ["certificate.expired"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[AgentFolder, SwitchedServer, ServerState]]:
    """An enrolled agent that waits for an hour after its first failure, and its server."""
    state = make_server(now=now())
    with switched_server(now) as server:
        server.answer_by(state)
        pause = f"retry = {{ first_s = {HOUR_S}, ceiling_s = {HOUR_S}, max_attempts = 1 }}"
        agent = configure(tmp_path, state, server.url, extra=pause)
        enrolled = agent.run("enroll")
        assert enrolled.status == ExitCode.OK, enrolled.err
        yield agent, server, state
    state.close()


def answers(agent: AgentFolder) -> bool:
    """Whether an agent runs there."""
    connection = connect(agent.folder / "state")
    if connection is None:
        return False
    connection.close()
    return True


@pytest.mark.daemon
@pytest.mark.parametrize("is_running", [False, True], ids=["alone", "beside run"])
@pytest.mark.parametrize("words", ["renew", "enroll", "renew --no-wait"])
def test_the_server_is_asked_again_once_it_is_back(
    site: tuple[AgentFolder, SwitchedServer, ServerState], *, is_running: bool, words: str
) -> None:
    """Away: told each time, by an attempt of this minute. Back: the same command renews."""
    agent, server, state = site
    before = agent.certificate.read_bytes()
    running = Running(agent, "run") if is_running else None
    if running is not None:
        wait_until(lambda: answers(agent), "the running agent")
    server.go()
    assert agent.run("renew").status == ExitCode.TRANSPORT
    again = agent.run(*words.split())
    assert again.status == ExitCode.TRANSPORT
    assert "Connection refused" in again.err
    assert agent.certificate.read_bytes() == before
    server.answer_by(state)
    back = agent.run(*words.split())
    assert back.status == ExitCode.OK, back.err
    assert agent.certificate.read_bytes() != before
    if running is not None:
        assert running.end(signal.SIGTERM)[0] == ExitCode.OK
