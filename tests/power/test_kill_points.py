"""The agent's process, killed before and after each of its effects, and started again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.power.lane import Lane, open_lane
from tests.support.power.site import Keys
from tests.support.power.stages import STAGES

QUICK_STRIDE = 20
"""`make test` kills at each of so many moments; all of them are left to `make test-slow`."""
LANES = 2


def cut_all(lane: Lane, name: str, first: int, stride: int) -> tuple[int, int, list[str]]:
    """Cuts a stage at each ``stride``-th moment; effects, kills, and what did not hold."""
    stage = STAGES[name]
    recording = lane.record(stage)
    again = lane.record(stage)
    assert recording.moments == again.moments, "two runs differ; cuts could not be repeated"
    assert again.ghosts == [], "an effect is not counted"
    moments = recording.gaps()[first::stride]
    problems = [
        f"{name}, {recording.moments[moment]}: {problem}"
        for moment in moments
        for problem in lane.cut(stage, moment)
    ]
    return recording.effects, len(moments), problems


def report(
    capsys: pytest.CaptureFixture[str], keys: Keys, name: str, effects: int, kills: int
) -> None:
    """Prints the count."""
    with capsys.disabled():
        print(f"\n{keys.value}, {name}: {effects} effects, killed {kills} times", end=" ")


@pytest.mark.daemon
@pytest.mark.parametrize("keys", list(Keys), ids=lambda keys: keys.value)
@pytest.mark.parametrize("name", list(STAGES))
def test_a_kill_at_some_moments_leaves_one_certificate(
    tmp_path: Path, keys: Keys, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every effect is counted; what holds is said in `invariants`."""
    with open_lane(tmp_path / "site", keys) as lane:
        effects, kills, problems = cut_all(lane, name, QUICK_STRIDE // 2, QUICK_STRIDE)
    report(capsys, keys, name, effects, kills)
    assert problems == []
    assert effects > 100


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.daemon
@pytest.mark.parametrize("keys", list(Keys), ids=lambda keys: keys.value)
@pytest.mark.parametrize("name", list(STAGES))
def test_a_kill_at_every_moment_leaves_one_certificate(
    tmp_path: Path, keys: Keys, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same at each of them, before and after every effect."""

    def run(number: int) -> tuple[int, int, list[str]]:
        with open_lane(tmp_path / f"site{number}", keys) as lane:
            return cut_all(lane, name, number, LANES)

    with ThreadPoolExecutor(LANES) as pool:
        results = list(pool.map(run, range(LANES)))
    report(capsys, keys, name, results[0][0], sum(kills for _, kills, _ in results))
    assert [problem for _, _, problems in results for problem in problems] == []
