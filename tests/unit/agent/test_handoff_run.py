"""All consumers of a trustpoint as one unit, under a virtual clock: all have it, or none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sceplab_agent.core.commands import Record
from sceplab_agent.core.events import EnrollRequested, RenewRequested
from sceplab_agent.core.policy import RetryPolicy
from sceplab_agent.core.states import State
from sceplab_agent.errors import HandOffError, InstallError, JournalError
from sceplab_agent.handoff.run import MARK
from sceplab_agent.install import MemoryInstaller
from sceplab_agent.journal import JournalEntry, MemoryJournal
from tests.support.consumers import MemoryConsumer
from tests.support.scripted_peer import Agent

STEPS = ["prepare", "install", "verify", "commit"]


class PowerCut(BaseException):
    """The process is gone."""


class CutJournal(MemoryJournal):
    """Cuts the power before or behind the commit of one event."""

    def __init__(self) -> None:
        super().__init__()
        self.before = ""
        self.behind = ""

    def commit(self, trustpoint: str, at: datetime, record: Record) -> JournalEntry:
        """See `Journal.commit`."""
        if record.event_id == self.before:
            self.before = ""
            raise PowerCut
        entry = super().commit(trustpoint, at, record)
        if record.event_id == self.behind:
            self.behind = ""
            raise PowerCut
        return entry


def handing_agent(place: Path, *consumers: MemoryConsumer, **options: Any) -> Agent:
    """An agent whose first certificate is with its consumers."""
    policy = {"hands_over": True, **options.pop("policy", {})}
    agent = Agent(place, policy=policy, consumers=consumers, **options)
    agent.driver.feed(EnrollRequested())
    return agent


def ids(agent: Agent) -> list[str]:
    """Journal entries of the hand-offs, in order."""
    found = [entry.event_id for entry in agent.journal.entries()]
    return [event_id for event_id in found if event_id.startswith("handoff.")]


def generation(agent: Agent) -> int:
    """Of the active certificate; 0 without one."""
    active = agent.session.machine.active
    return active.generation if active else 0


def keys(agent: Agent) -> list[str]:
    """Keys in the store."""
    return [info.key_id for info in agent.store.list_keys()]


def test_every_consumer_prepares_before_the_first_installs(tmp_path: Path) -> None:
    """The memos are journalled in between, the proofs are in the journal behind."""
    log: list[str] = []
    first, second = MemoryConsumer("vpn", steps=log), MemoryConsumer("port", steps=log)
    agent = handing_agent(tmp_path, first, second)
    assert log == [step for step in STEPS for _ in range(2)]
    assert ids(agent) == [
        "handoff.started",
        "handoff.prepared",
        "handoff.verified",
        "handoff.done",
    ]
    assert (agent.state, generation(agent)) == (State.INSTALLED, 1)
    last = agent.session.machine.last_handoff
    assert last is not None
    assert last.text == "vpn: vpn uses generation 1; port: port uses generation 1"
    stored = agent.journal.snapshot("lab")
    assert stored is not None
    assert MARK not in stored.body


@pytest.mark.parametrize("step", ["prepare", "install", "verify"])
def test_a_failure_of_one_brings_all_back(tmp_path: Path, step: str) -> None:
    """The old certificate, its file and its key stay; the last one goes back first."""
    first, second = MemoryConsumer("vpn"), MemoryConsumer("port")
    agent = handing_agent(tmp_path, first, second)
    assert isinstance(agent.installer, MemoryInstaller)
    second.fails_at, second.may_pass = step, False
    log: list[str] = []
    first.steps = second.steps = log
    agent.driver.feed(RenewRequested())
    assert (agent.state, generation(agent)) == (State.FAILED, 1)
    assert (first.in_use, second.in_use) == (1, 1)
    assert (first.committed, second.committed) == (1, 1)
    assert log[-1] == "roll_back"
    assert sorted(keys(agent)) == ["lab", "lab.2"]
    assert agent.installer.installed["lab"].is_candidate
    failure = agent.session.machine.failure
    assert failure is not None
    assert failure.reason == f"hand-off port: {step} was told to fail"


def test_what_passes_is_tried_again_with_the_same_certificate(tmp_path: Path) -> None:
    """Once the consumer is up again, the hand-off is done and the old key goes."""
    consumer = MemoryConsumer()
    agent = handing_agent(tmp_path, consumer)
    consumer.fails_at = "verify"
    agent.driver.feed(RenewRequested())
    assert (agent.state, generation(agent), consumer.in_use) == (State.RETRY_WAIT, 1, 1)
    requests = len(agent.peer.received)
    consumer.fails_at = ""
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    assert (generation(agent), consumer.committed, keys(agent)) == (2, 2, ["lab.2"])
    assert len(agent.peer.received) == requests


CUTS: list[tuple[str, str]] = [
    (side, event_id)
    for event_id in ("handoff.started", "handoff.prepared", "handoff.verified", "handoff.done")
    for side in ("before", "behind")
]


@pytest.mark.parametrize(("side", "event_id"), CUTS)
def test_a_power_cut_at_any_record_ends_with_one_certificate(
    tmp_path: Path, side: str, event_id: str
) -> None:
    """After the restart the journal goes on with the memo; nothing is lost, nothing is left."""
    journal, consumer = CutJournal(), MemoryConsumer()
    agent = handing_agent(tmp_path, consumer, journal=journal)
    setattr(journal, side, event_id)
    with pytest.raises(PowerCut):
        agent.driver.feed(RenewRequested())
    agent.restart()
    assert (agent.state, generation(agent)) == (State.INSTALLED, 2)
    assert (consumer.in_use, consumer.committed, keys(agent)) == (2, 2, ["lab.2"])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fails_then", [False, True])
def test_a_power_cut_inside_a_step_ends_with_one_certificate(
    tmp_path: Path, step: str, fails_then: bool
) -> None:
    """The step is done again; when verification fails then, the memo brings the old one back."""
    consumer = MemoryConsumer()
    agent = handing_agent(tmp_path, consumer)
    cut_in(consumer, step)
    with pytest.raises(PowerCut):
        agent.driver.feed(RenewRequested())
    consumer.fails_at, consumer.may_pass = ("verify" if fails_then else ""), False
    agent.restart()
    is_decided = step == "commit"
    expected = 1 if fails_then and not is_decided else 2
    assert (generation(agent), consumer.in_use) == (expected, expected)
    assert agent.state is (State.FAILED if expected == 1 else State.INSTALLED)
    assert keys(agent) == (["lab", "lab.2"] if expected == 1 else ["lab.2"])


def cut_in(consumer: MemoryConsumer, step: str) -> None:
    """Has the power go behind the effect of a step, once."""
    real: Callable[..., object] = getattr(consumer, step)

    def call(*arguments: Any) -> object:
        setattr(consumer, step, real)
        real(*arguments)
        raise PowerCut

    setattr(consumer, step, call)


def test_who_cannot_be_brought_back_is_named_and_its_key_stays(tmp_path: Path) -> None:
    """The hand-off stays open: giving up would delete a key that is in use."""
    consumer = MemoryConsumer()
    agent = handing_agent(tmp_path, consumer)

    def fail(*_: object) -> None:
        raise RuntimeError("PIN of the card")

    for step in ("verify", "roll_back"):
        setattr(consumer, step, fail)
    agent.driver.feed(RenewRequested())
    machine = agent.session.machine
    assert machine.failure is not None
    assert "verify failed: RuntimeError" in machine.failure.reason
    assert "not brought back: roll back failed: RuntimeError" in machine.failure.reason
    assert machine.snapshot()["is_handoff_open"] is True
    assert "PIN of the card" not in agent.written()
    for step in ("verify", "roll_back"):
        delattr(consumer, step)
    agent.restart()
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    assert consumer.in_use == generation(agent)


def test_an_open_hand_off_of_other_consumers_is_undone_first(tmp_path: Path) -> None:
    """Who is configured after the cut is asked anew; who is not is named."""
    first, second = MemoryConsumer("vpn"), MemoryConsumer("port")
    agent = handing_agent(tmp_path, first)
    cut_in(first, "install")
    with pytest.raises(PowerCut):
        agent.driver.feed(RenewRequested())
    agent.consumers = (first, second)
    agent.restart()
    assert "roll_back" in first.steps
    assert (first.in_use, second.in_use, generation(agent)) == (2, 2, 2)
    assert "handoff.undone" in ids(agent)


def test_a_full_disk_behind_the_proof_holds_the_hand_off_open(tmp_path: Path) -> None:
    """The consumers have the new certificate; the file follows when there is room."""
    consumer = MemoryConsumer()
    agent = handing_agent(tmp_path, consumer)
    real = agent.installer.install
    agent.installer.install = full_for_active(real)  # type: ignore[method-assign]
    agent.driver.feed(RenewRequested())
    assert (agent.state, generation(agent), consumer.in_use) == (State.RETRY_WAIT, 1, 2)
    assert sorted(keys(agent)) == ["lab", "lab.2"]
    agent.installer.install = real  # type: ignore[method-assign]
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    assert (generation(agent), consumer.committed) == (2, 2)


def full_for_active(real: Callable[..., None]) -> Callable[..., None]:
    """An installer with room for candidates only."""

    def install(trustpoint: str, command: Any) -> None:
        if not command.is_candidate:
            raise InstallError("the disk is full")
        real(trustpoint, command)

    return install


@pytest.mark.parametrize("exportable", [False, True])
def test_a_key_reaches_a_consumer_only_when_it_may_leave(tmp_path: Path, exportable: bool) -> None:
    """Key files are for keys that were made to be given out."""
    consumer = MemoryConsumer()
    agent = handing_agent(tmp_path, consumer, config={"key_exportable": exportable})
    (delivery,) = consumer.deliveries
    assert delivery.key_uri == agent.store.get("lab").uri
    if not exportable:
        assert delivery.key_pem is None
        return
    assert delivery.key_pem is not None
    key = load_pem_private_key(delivery.key_pem(), password=None)
    assert key.public_key() == agent.store.get("lab").public_key


def test_a_damaged_open_run_is_refused(tmp_path: Path) -> None:
    """Nothing is repaired and nothing reset."""
    journal, consumer = CutJournal(), MemoryConsumer()
    agent = handing_agent(tmp_path, consumer, journal=journal)
    journal.behind = "handoff.prepared"
    with pytest.raises(PowerCut):
        agent.driver.feed(RenewRequested())
    stored = journal.snapshot("lab")
    assert stored is not None
    damaged = Record(event_id="x", details={}, snapshot={**stored.body, MARK: {"generation": 2}})
    journal.commit("lab", agent.clock(), damaged)
    with pytest.raises(JournalError, match="lab cannot be used: its open hand-off is damaged"):
        agent.restart()


def test_what_could_not_be_brought_back_costs_no_further_attempt(tmp_path: Path) -> None:
    """Once the consumer lets itself be rolled back, the same attempt hands over anew."""
    consumer = MemoryConsumer(fails_at="install")
    agent = handing_agent(tmp_path, consumer, policy={"retry": RetryPolicy(max_attempts=2)})

    def fail(*_: object) -> None:
        raise HandOffError("memory", "still busy", may_pass=False)

    consumer.fails_at = "verify"
    consumer.roll_back = fail  # type: ignore[method-assign]
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.FAILED
    agent.restart()
    consumer.steps.clear()
    agent.driver.feed(EnrollRequested())
    assert (agent.state, consumer.steps) == (State.FAILED, [])
    del consumer.roll_back
    consumer.fails_at = ""
    agent.driver.feed(EnrollRequested())
    assert consumer.steps == ["roll_back", *STEPS]
    assert (agent.state, generation(agent), consumer.in_use) == (State.INSTALLED, 1, 1)
    assert "handoff.undone" in ids(agent)
