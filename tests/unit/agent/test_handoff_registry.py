"""Finding kinds of hand-offs: built-in ones, plug-ins, and plug-ins that are broken."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import ConfigProblem
from sceplab_agent.handoff.registry import known_kinds, open_handoff
from tests.support.consumers import MemoryConsumer

Install = Callable[[str, str, str], None]

FACTORY = "from tests.support.consumers import open_memory_handoff as opened\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution with one module and one hand-off entry point."""
    before = set(sys.modules)

    def installed(name: str, kind: str, code: str) -> None:
        module = f"fake_handoff_{name}"
        site = tmp_path / "site" / name
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[sceplab.handoffs]\n{kind} = {module}:opened\n")
        (site / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(str(site))

    yield installed
    for name in set(sys.modules) - before:
        if name.startswith("fake_handoff_"):
            del sys.modules[name]


def opened(
    kind: str, values: dict[str, object], name: str = ""
) -> tuple[object, list[ConfigProblem]]:
    """What a table gives, and the problems it has."""
    problems: list[ConfigProblem] = []
    table = ConfigTable({"kind": kind, **values}, "trustpoint.vpn.handoff[1]", problems)
    table.text("kind")
    return open_handoff(kind, table, Path("/etc/sceplab"), name=name), problems


def test_built_in_kinds_are_known_without_an_installed_distribution() -> None:
    """The four kinds of the agent need no entry point."""
    assert {"files", "hook", "strongswan", "wpa_supplicant"} <= set(known_kinds())


def test_a_plug_in_is_found_and_named_after_its_kind(install: Install) -> None:
    """The factory gets its own keys; without a name the kind is the name."""
    install("good", "memory", FACTORY)
    handoff, problems = opened("memory", {"fails_at": "verify"})
    assert isinstance(handoff, MemoryConsumer)
    assert (handoff.name, handoff.fails_at, problems) == ("memory", "verify", [])
    named, _ = opened("memory", {}, name="port 1")
    assert isinstance(named, MemoryConsumer)
    assert named.name == "port 1"


def test_mistakes_of_a_table_carry_their_path(install: Install) -> None:
    """Wrong types and unknown keys are found by the kind's own reader."""
    install("strict", "memory", FACTORY)
    _, problems = opened("memory", {"may_pass": "yes", "fails": "verify"})
    assert [problem.path for problem in problems] == [
        "trustpoint.vpn.handoff[1].may_pass",
        "trustpoint.vpn.handoff[1].fails",
    ]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nothing_of_that_name\n", "does not load: ModuleNotFoundError"),
        ("def opened(*_): raise RuntimeError('secret')\n", "failed on this table: RuntimeError"),
        ("def opened(*_): return object()\n", "it lacks prepare, install, verify"),
    ],
)
def test_a_broken_plug_in_is_named(install: Install, code: str, reason: str) -> None:
    """The distribution is named, what its failure says is not repeated."""
    install("bad", "memory", code)
    handoff, problems = opened("memory", {})
    assert handoff is None
    (problem,) = problems
    assert problem.path == "trustpoint.vpn.handoff[1].kind"
    assert "(of fake_handoff_bad)" in problem.reason
    assert reason in problem.reason
    assert "secret" not in problem.reason


def test_an_unknown_kind_names_the_closest() -> None:
    """A slip of the pen is told together with what was meant."""
    handoff, (problem,) = opened("strongswann", {})
    assert handoff is None
    assert "did you mean 'strongswan'?" in problem.reason


def test_two_plug_ins_of_one_kind_are_refused(install: Install) -> None:
    """Nobody guesses which of two is meant."""
    install("one", "memory", FACTORY)
    install("two", "memory", FACTORY)
    handoff, (problem,) = opened("memory", {})
    assert handoff is None
    assert "uninstall all but one" in problem.reason
