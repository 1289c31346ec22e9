"""After a power cut that drops what was not synced, the agent goes on to the end of its stage."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.power.dropped_writes import DroppedWrites
from tests.support.power.site import Keys, power_site
from tests.support.power.stages import STAGES
from tests.support.power.tracing import require_strace

pytestmark = pytest.mark.daemon

Cutting = Callable[..., None]


@pytest.fixture
def cut_all(tmp_path: Path, record_property: Callable[[str, object], None]) -> Iterator[Cutting]:
    """Cuts a stage of a new site, looks at what becomes of it, and says how often."""
    require_strace()
    with ExitStack() as sites:

        def cut(keys: Keys, name: str, *, seeds: int, every: int) -> None:
            site = sites.enter_context(power_site(tmp_path.resolve() / "site", keys))
            dropped, stage = DroppedWrites(site), STAGES[name]
            recording = dropped.record(stage)
            cuts = list(dropped.cuts(recording, seeds=seeds))
            chosen = cuts[::every]
            problems = [
                f"{number} {cut.name}, {cut.answers} answers: {found}"
                for number, cut in enumerate(chosen)
                if (found := dropped.recover(stage, recording, cut))
            ]
            record_property("power_cuts", len(chosen))
            record_property(
                "said",
                f"{keys.value} keys, {name}{', in part' if seeds else ''}: "
                f"{len(recording.calls)} system calls, {len(cuts)} states of disk and server, "
                f"{dropped.lost_tokens} times no token",
            )
            assert not problems, "\n".join(problems)

        yield cut


@pytest.mark.parametrize(
    ("keys", "name"),
    [(Keys.SOFT, "enroll"), (Keys.SOFT, "renew"), (Keys.SOFTHSM, "renew")],
    ids=["soft-enroll", "soft-renew", "softhsm-renew"],
)
def test_sample_of_the_power_cuts(cut_all: Cutting, keys: Keys, name: str) -> None:
    """Some states that a power cut leaves when only what was synced survives."""
    cut_all(keys, name, seeds=0, every=5)


@pytest.mark.slow
@pytest.mark.parametrize("keys", Keys, ids=lambda keys: keys.value)
@pytest.mark.parametrize("name", STAGES)
def test_every_power_cut(cut_all: Cutting, keys: Keys, name: str) -> None:
    """Every moment, when only what was synced survives."""
    cut_all(keys, name, seeds=0, every=1)


@pytest.mark.slow
@pytest.mark.parametrize("keys", Keys, ids=lambda keys: keys.value)
@pytest.mark.parametrize("name", ["enroll", "renew"])
def test_power_cuts_that_keep_a_part(cut_all: Cutting, keys: Keys, name: str) -> None:
    """Every sixth state, when chance wrote back some of what was not synced."""
    cut_all(keys, name, seeds=1, every=6)
