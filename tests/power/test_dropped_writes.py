"""After a power cut that drops what was not synced, the agent goes on to the end of its stage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.power.dropped_writes import DroppedWrites
from tests.support.power.site import Keys, power_site
from tests.support.power.stages import STAGES
from tests.support.power.tracing import require_strace

pytestmark = pytest.mark.daemon


@pytest.fixture
def dropped(tmp_path: Path) -> Iterator[DroppedWrites]:
    """A site with software keys whose stages can be cut."""
    require_strace()
    with power_site(tmp_path.resolve() / "site", Keys.SOFT) as site:
        yield DroppedWrites(site)


def _cut_all(
    dropped: DroppedWrites, name: str, capsys: pytest.CaptureFixture[str], *, seeds: int, every: int
) -> None:
    stage = STAGES[name]
    recording = dropped.record(stage)
    cuts = list(dropped.cuts(recording, seeds=seeds))
    chosen = cuts[::every]
    problems = {
        f"{number} {cut.name}, {cut.answers} answers": found
        for number, cut in enumerate(chosen)
        if (found := dropped.recover(stage, recording, cut))
    }
    with capsys.disabled():
        print(
            f"\n{name}: {len(recording.calls)} system calls, {len(cuts)} different states of disk "
            f"and server, {len(chosen)} restarts, {len(problems)} bad"
        )
    assert not problems, "\n".join(f"{where}: {what}" for where, what in problems.items())


@pytest.mark.parametrize("name", ["enroll", "renew"])
def test_sample_of_the_power_cuts(
    dropped: DroppedWrites, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some states that a power cut leaves when only what was synced survives."""
    _cut_all(dropped, name, capsys, seeds=0, every=5)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", list(STAGES))
def test_every_power_cut(
    dropped: DroppedWrites, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every moment, when only what was synced survives."""
    _cut_all(dropped, name, capsys, seeds=0, every=1)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", list(STAGES))
def test_power_cuts_that_keep_a_part(
    dropped: DroppedWrites, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every ninth state, when chance wrote back some of what was not synced."""
    _cut_all(dropped, name, capsys, seeds=1, every=9)
