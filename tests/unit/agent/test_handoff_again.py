"""The certificate in use handed over once more: after failures, power cuts, and in a process."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from sceplab_agent.core.events import RenewRequested
from sceplab_agent.core.states import State
from sceplab_agent.errors import HandOffError
from sceplab_agent.exchange import run_exchange
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.handoff.again import HandedAgain
from sceplab_agent.handoff.api import Delivery, Memo
from sceplab_agent.handoff.run import MARK
from sceplab_ndes.state import ServerState
from tests.support.agent_process import Running, configure
from tests.support.consumers import MemoryConsumer
from tests.support.scripted_peer import Agent
from tests.support.waiting import wait_until
from tests.unit.agent.test_handoff_run import (
    STEPS,
    PowerCut,
    full_for_active,
    generation,
    handing_agent,
    ids,
)

FILES = """\
key = { exportable = true }

[[trustpoint.lab.handoff]]
kind = "files"
directory = "certificates"
"""


class CutConsumer(MemoryConsumer):
    """Cuts the power behind a step."""

    cut_behind = ""

    def _step(self, step: str) -> None:
        super()._step(step)
        if step == self.cut_behind:
            raise PowerCut


def again(agent: Agent) -> list[HandedAgain]:
    """Hands over once more."""
    return run_exchange(agent.session.hand_again(), agent.peer)


def forget(*consumers: MemoryConsumer) -> None:
    """The consumers were restarted."""
    for consumer in consumers:
        consumer.in_use = 0
        consumer.steps.clear()


def test_what_was_forgotten_is_there_again(tmp_path: Path) -> None:
    """Every step is taken with the same certificate; the enrollment stays as it was."""
    consumer = MemoryConsumer()
    agent = handing_agent(tmp_path, consumer)
    before = agent.session.machine.snapshot()
    forget(consumer)
    (told,) = again(agent)
    assert (told.is_done, told.text) == (True, "memory uses generation 1")
    assert (consumer.steps, consumer.in_use, consumer.committed) == (STEPS, 1, 1)
    assert ids(agent)[-2:] == ["handoff.again", "handoff.again-done"]
    assert agent.session.machine.snapshot() == before
    agent.restart()
    assert (agent.state, generation(agent)) == (State.INSTALLED, 1)


@pytest.mark.parametrize("step", ["prepare", "install", "verify", "commit"])
def test_failure_of_one_troubles_no_other(tmp_path: Path, step: str) -> None:
    """Nobody is rolled back; what the consumer has stays, and the next call mends it."""
    first, second = MemoryConsumer("vpn"), MemoryConsumer("port")
    agent = handing_agent(tmp_path, first, second)
    forget(first, second)
    first.fails_at = step
    failed, done = again(agent)
    assert (failed.is_done, failed.text) == (False, f"{step} was told to fail")
    assert (done.is_done, second.in_use) == (True, 1)
    assert "roll_back" not in first.steps
    assert first.in_use == (1 if step in {"verify", "commit"} else 0)
    assert ids(agent)[-1] == "handoff.again-failed"
    first.fails_at = ""
    assert all(one.is_done for one in again(agent))


@pytest.mark.parametrize("step", STEPS)
def test_power_cut_leaves_nothing_to_undo(tmp_path: Path, step: str) -> None:
    """After a cut behind any step it can be called again, and renewals go on as ever."""
    consumer = CutConsumer()
    agent = handing_agent(tmp_path, consumer)
    forget(consumer)
    consumer.cut_behind = step
    with pytest.raises(PowerCut):
        again(agent)
    consumer.cut_behind = ""
    forget(consumer)
    agent.restart()
    stored = agent.journal.snapshot("lab")
    assert stored is not None
    assert MARK not in stored.body
    assert (agent.state, generation(agent)) == (State.INSTALLED, 1)
    assert consumer.in_use == 0, "it is not gone on with by itself"
    assert all(one.is_done for one in again(agent))
    agent.driver.feed(RenewRequested())
    assert (generation(agent), consumer.in_use) == (2, 2)


def test_plug_in_that_breaks_is_named(tmp_path: Path) -> None:
    """Whatever it raises stops neither the agent nor the consumers behind it."""

    class Broken(MemoryConsumer):
        def install(self, delivery: Delivery, memo: Memo) -> None:
            if self.committed:
                raise ValueError("1234")
            super().install(delivery, memo)

    agent = handing_agent(tmp_path, Broken("plug-in"), MemoryConsumer("port"))
    broken, done = again(agent)
    assert "install failed: ValueError; tell its author" in broken.text
    assert "1234" not in broken.text
    assert done.is_done


class Away(MemoryConsumer):
    """A consumer that cannot be brought back as long as it is away."""

    is_away = False

    def roll_back(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.roll_back`."""
        if self.is_away:
            raise HandOffError(self.name, "is away")
        super().roll_back(delivery, memo)


def test_open_hand_off_is_undone_first(tmp_path: Path) -> None:
    """A consumer that comes back is given the certificate in use, and the renewal goes on later."""
    consumer = Away()
    agent = handing_agent(tmp_path, consumer)
    consumer.fails_at, consumer.is_away = "verify", True
    agent.driver.feed(RenewRequested())
    assert (agent.state, consumer.in_use) == (State.RETRY_WAIT, 2)
    consumer.fails_at = ""
    consumer.steps.clear()
    (told,) = again(agent)
    assert not told.is_done
    assert "cannot be undone: hand-off memory: not brought back: is away; run:" in told.text
    assert not consumer.steps
    consumer.is_away = False
    (told,) = again(agent)
    assert (told.is_done, consumer.in_use, consumer.committed) == (True, 1, 1)
    assert consumer.steps == ["roll_back", "prepare", "install", "verify", "commit"]
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    assert (consumer.in_use, consumer.committed) == (2, 2)


def test_verified_hand_off_comes_first(tmp_path: Path) -> None:
    """Where every consumer works with the renewed certificate nobody goes back to the old one."""
    consumer = MemoryConsumer()
    agent = handing_agent(tmp_path, consumer)
    agent.installer.install = full_for_active(agent.installer.install)  # type: ignore[method-assign]
    agent.driver.feed(RenewRequested())
    consumer.steps.clear()
    (told,) = again(agent)
    assert (told.is_done, consumer.steps, consumer.in_use) == (False, [], 2)
    assert "run: sceplab-agent renew" in told.text


def test_consumers_can_ask_for_what_was_before(tmp_path: Path) -> None:
    """A renewal brings the certificate in use along, with its key; a first one and `again` none."""

    class Forgetful(MemoryConsumer):
        def verify(self, delivery: Delivery, memo: Memo) -> str:
            before.append(delivery.previous and delivery.previous())
            return super().verify(delivery, memo)

    before: list[Delivery | None] = []
    consumer = Forgetful()
    agent = handing_agent(tmp_path, consumer, config={"key_exportable": True})
    agent.driver.feed(RenewRequested())
    again(agent)
    first, second, repeated = before
    assert (first, repeated) == (None, None)
    assert second is not None
    assert second.key_pem is not None
    assert replace(second, key_pem=None) == replace(consumer.deliveries[0], key_pem=None)


def test_nothing_is_handed_over_without_a_certificate(tmp_path: Path) -> None:
    """The next step is named and nothing is noted."""
    agent = Agent(tmp_path, consumers=(MemoryConsumer(),))
    (told,) = again(agent)
    assert not told.is_done
    assert "run: sceplab-agent enroll" in told.text
    assert not ids(agent)


@pytest.mark.daemon
@pytest.mark.parametrize("is_running", [False, True], ids=["alone", "running"])
def test_command_hands_over_again(
    tmp_path: Path, server: tuple[ServerState, str], is_running: bool
) -> None:
    """Files that somebody removed are back, by the command itself and by the running agent."""
    agent = configure(tmp_path, *server, extra=FILES)
    early = agent.run("handoff again", "--json").document()
    assert early["exit_code"] == ExitCode.HANDOFF
    assert "sceplab-agent enroll" in early["handoffs"][0]["text"]
    assert agent.run("enroll").status == 0
    current = tmp_path / "certificates/current"
    wanted = {path.name: path.read_bytes() for path in current.iterdir()}
    running = Running(agent, "run") if is_running else None
    try:
        if running is not None:
            wait_until((tmp_path / "state/control.sock").exists, "the control socket")
        for path in current.iterdir():
            path.unlink()
        assert agent.run("handoff verify").status != 0
        done = agent.run("handoff again", "lab")
        assert done.status == 0, done.err
        assert "lab: files: handed over: read back through" in done.out
        if running is not None:
            running.wait_for("handoff.again-done")
    finally:
        if running is not None:
            running.end(signal.SIGTERM)
    assert {path.name: path.read_bytes() for path in current.iterdir()} == wanted
    assert agent.run("handoff verify").status == 0
