"""Thirty virtual years of one trustpoint under random faults: real agent, server and CMS."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.support.years.plan import draw_plan
from tests.support.years.world import YEAR, World

SPAN = 30 * YEAR
FEW = range(6)
ALL = range(200)
SUCCEEDING = (6, 13, 33)
"""Of `ALL`, with CAs of ten years."""
SHOWN = (
    "certificates",
    "power cuts",
    "enrollment.request",
    "enrollment.retry",
    "asked to enroll",
    "CA announced",
    "rollover.shadow-ready",
    "rollover.switched",
    "another pin",
)


def live(seed: int) -> Counter[str]:
    """What happened in the life of a seed; a broken invariant shows its history."""
    plan = draw_plan(seed)
    world = World(plan)
    try:
        return world.live(SPAN).counts
    except AssertionError as error:
        history = "\n".join(world.audit.history)
        raise AssertionError(f"{plan}\n{history}\n{world.clock()}: {error}") from error
    finally:
        world.server.close()


def summary(seeds: Sequence[int], counts: Counter[str]) -> str:
    """One line for people."""
    shown = ", ".join(f"{counts[name]} {name}" for name in SHOWN)
    lives = f"thirty years, seeds {seeds[0]} to {seeds[-1]}"
    return f"{lives}: {shown}, {counts['certificate.expired']} expired"


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Has a line said at the end of the run, also where tests pass."""
    return lambda line: record_property("said", line)


@pytest.mark.parametrize("seed", FEW)
@pytest.mark.covers("M1", "M8")
def test_a_life_of_thirty_years(seed: int, report: Callable[[str], None]) -> None:
    """One certificate at a time, no key left behind, none expired that could be renewed."""
    counts = live(seed)
    report(summary([seed], counts))
    assert counts["certificates"] > 10
    assert counts["power cuts"] > 0


@pytest.mark.parametrize("seed", SUCCEEDING)
def test_a_life_across_changes_of_the_ca(seed: int, report: Callable[[str], None]) -> None:
    """The same where the CA changes every ten years; certificates of the next one are kept."""
    counts = live(seed)
    report(summary([seed], counts))
    assert counts["CA announced"] == 3
    assert counts["rollover.shadow-ready"] > 0
    assert counts["rollover.switched"] > 1


@pytest.mark.slow
def test_two_hundred_lives(report: Callable[[str], None]) -> None:
    """The same for all seeds, in as many processes as there are processors."""
    context = multiprocessing.get_context("spawn")
    total: Counter[str] = Counter()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as processes:
        for counts in processes.map(live, ALL):
            total += counts
    report(summary(ALL, total))
    report(
        "of these lives: " + ", ".join(f"{number} {name}" for name, number in sorted(total.items()))
    )
    assert total["power cuts"] > len(ALL)
    assert total["rollover.switched"] > total["another pin"]
