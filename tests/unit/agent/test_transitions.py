"""The table itself, and the one machine that all enrollments share."""

from __future__ import annotations

import ast
import gc
import threading
from pathlib import Path
from typing import get_args

import pytest
from transitions import Machine

import sceplab_agent.core
from sceplab_agent.core import events as ev
from sceplab_agent.core import guards
from sceplab_agent.core.actions import ACTIONS
from sceplab_agent.core.catalogue import CATALOGUE
from sceplab_agent.core.diagram import main, render
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.model import Enrollment
from sceplab_agent.core.states import State
from sceplab_agent.core.table import shared_machine
from sceplab_agent.core.transitions import TRANSITIONS
from sceplab_agent.core.verdicts import Verdict
from tests.support.core import T0, FixedChance, Stage, policy

CORE = Path(sceplab_agent.core.__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "state-diagram.md"


def test_every_event_and_verdict_has_a_row() -> None:
    """No event of the vocabulary is forgotten, no row has an unknown trigger."""
    vocabulary = {*get_args(ev.Event), *get_args(Verdict)}
    assert {row.trigger for row in TRANSITIONS} == vocabulary


def test_no_row_is_hidden_by_an_earlier_one() -> None:
    """Behind a row without guards no other row of the same trigger and state can be taken."""
    closed: set[tuple[type, State]] = set()
    for row in TRANSITIONS:
        for source in row.sources:
            assert (row.trigger, source) not in closed, row
            if not row.guards:
                closed.add((row.trigger, source))


def test_every_guard_and_action_is_used() -> None:
    """Guards and actions exist for the table only."""
    named = {name for row in TRANSITIONS for name in row.guards}
    tree = ast.parse((CORE / "guards.py").read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert named <= {name for name in defined if callable(getattr(guards, name))}
    assert {name for name in defined if not name.startswith("_")} == named
    assert {row.action for row in TRANSITIONS if row.action} == set(ACTIONS)


def test_every_state_is_reached() -> None:
    """Every state is entered, and left or waited in."""
    reached = {row.destination for row in TRANSITIONS} | {State.UNCONFIGURED}
    assert reached - {None} == set(State)


def test_emitters_and_catalogue_agree() -> None:
    """Every id that the core records or notifies is in the catalogue, and the other way round."""
    found = {
        node.value
        for path in (*CORE.glob("actions/*.py"), CORE / "pinning.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.partition(".")[0] in {key.partition(".")[0] for key in CATALOGUE}
        and "." in node.value
        and " " not in node.value
    }
    assert found == set(CATALOGUE)


def test_an_illegal_event_names_state_event_and_guard() -> None:
    """The error carries what a person needs, and nothing has changed."""
    stage = Stage().to_pinned()
    before = stage.machine.snapshot()
    with pytest.raises(IllegalEventError) as caught:
        stage.give(ev.CaAccepted())
    assert caught.value.state is State.CA_PINNED
    assert caught.value.event_name == "CaAccepted"
    with pytest.raises(IllegalEventError) as caught:
        stage.give(ev.RenewRequested())
    assert str(caught.value) == "RenewRequested is not possible in CA_PINNED"
    stage.to_installed()
    with pytest.raises(IllegalEventError) as caught:
        stage.give(ev.KeyDeleted(key_id="unknown"))
    assert caught.value.missing == ("is_retired_key",)
    assert before["state"] == "CA_PINNED"


def test_the_shared_machine_is_one_plain_synchronous_machine() -> None:
    """No registered model, no queue, no automatic transitions."""
    machine = shared_machine()
    assert type(machine) is Machine
    assert shared_machine() is machine
    Stage().to_installed()
    assert machine.models == []
    assert not machine.has_queue
    assert set(machine.events) == {row.trigger.__name__ for row in TRANSITIONS}


def test_four_threads_share_one_table() -> None:
    """Enrollments in four threads at once all end where they should; nothing is lost."""
    ends: list[tuple[State, int]] = []

    def enroll() -> None:
        for _ in range(25):
            stage = Stage().to_renewal_sent()
            stage.issued()
            stage.give(ev.CertificateInstalled())
            active = stage.machine.active
            ends.append((stage.state, active.generation if active else 0))

    threads = [threading.Thread(target=enroll) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == [(State.INSTALLED, 2)] * 100


def test_a_hundred_thousand_enrollments() -> None:
    """Small objects, and none of them is kept by the table once it is dropped."""
    trustpoint = policy()
    chance = FixedChance()
    gc.collect()
    before = _count()
    fleet = [
        EnrollmentMachine(trustpoint, rng=chance, new_transaction_id=lambda: "T")
        for _ in range(100_000)
    ]
    assert not hasattr(fleet[0], "__dict__")
    for machine in fleet[::1000]:
        machine.handle(ev.TrustpointConfigured(), T0)
    assert _count() - before == 100_000
    del fleet, machine
    gc.collect()
    assert _count() == before


def _count() -> int:
    return sum(type(thing) is Enrollment for thing in gc.get_objects())


def test_the_page_is_up_to_date() -> None:
    """docs/state-diagram.md is what the table says now."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_the_page_is_written_and_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check`` fails on a stale or missing page and names the command."""
    page = tmp_path / "docs" / "page.md"
    assert main([str(page), "--check"]) == 1
    assert "sceplab_agent.core.diagram" in capsys.readouterr().err
    assert main([str(page)]) == 0
    assert main([str(page), "--check"]) == 0
    page.write_text(page.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert main([str(page), "--check"]) == 1
    assert page.read_text(encoding="utf-8").endswith("\n\n")


def test_the_page_shows_every_state_and_row() -> None:
    """States with their RFC state, rows with guard and reason."""
    page = render()
    for state in State:
        assert f"| `{state.value}` | {state.rfc_state.value} |" in page
    for row in TRANSITIONS:
        assert row.reason in page
