"""The agent's process, killed before and after each of its effects, and started again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.power.lane import Lane, Recording, open_lane
from tests.support.power.site import Keys
from tests.support.power.stages import STAGES
from tests.support.power.strays import STRAYS

pytestmark = pytest.mark.daemon

QUICK_STRIDE = 20
"""`make test` kills at each of so many moments; all of them are left to `make test-slow`."""
PARTS = 2
"""A stage is cut in so many tests, for as many processes."""

Record = Callable[[str, object], None]


def require_counted(recording: Recording) -> Recording:
    """The recording, when every effect in it can be killed at."""
    assert recording.ghosts == [], "an effect is not counted"
    assert recording.effects > 100
    return recording


def cut_all(lane: Lane, name: str, first: int, stride: int, record: Record) -> None:
    """Cuts a stage at each ``stride``-th moment, and says how many there were."""
    stage = STAGES[name]
    before, recording = lane.record(stage), require_counted(lane.record(stage))
    assert before.moments == recording.moments, "two runs differ; cuts could not be repeated"
    moments = recording.gaps()[first::stride]
    problems = [
        f"{recording.moments[moment]}: {problem}"
        for moment in moments
        for problem in lane.cut(stage, moment)
    ]
    record("kills", len(moments))
    record("said", f"{lane.site.keys.value} keys, {name}: {recording.effects} effects")
    assert problems == [], name


@pytest.mark.covers("M9", "C-29", "S-46", "T-40")
@pytest.mark.parametrize("keys", list(Keys), ids=lambda keys: keys.value)
def test_a_kill_at_some_moments_leaves_one_certificate(
    tmp_path: Path, keys: Keys, record_property: Record
) -> None:
    """Every effect is counted; what holds is said in `invariants`."""
    with open_lane(tmp_path / "site", keys) as lane:
        for name in STAGES:
            cut_all(lane, name, QUICK_STRIDE // 2, QUICK_STRIDE, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("keys", list(Keys), ids=lambda keys: keys.value)
@pytest.mark.parametrize("name", list(STAGES))
def test_a_kill_at_every_moment_leaves_one_certificate(
    tmp_path: Path, keys: Keys, name: str, part: int, record_property: Record
) -> None:
    """The same at each of them, before and after every effect."""
    with open_lane(tmp_path / "site", keys) as lane:
        cut_all(lane, name, part, PARTS, record_property)


def test_effect_without_a_moment_to_be_killed_at_is_noticed(tmp_path: Path) -> None:
    """A file replaced, bytes sent, a program started past the counted calls fail the count."""
    stage = STAGES["enroll"]
    with open_lane(tmp_path / "site", Keys.SOFT) as lane:
        for stray, (sign, _) in STRAYS.items():
            recording = lane.record(stage, stray=stray)
            assert any(sign in ghost for ghost in recording.ghosts), stray
            with pytest.raises(AssertionError, match="an effect is not counted"):
                require_counted(recording)
        require_counted(lane.record(stage))
