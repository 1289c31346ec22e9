"""After a power cut that drops what was not synced, the agent goes on to the end of its stage."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.support.power.dropped_writes import Outcome, cut_stage
from tests.support.power.site import Keys
from tests.support.power.stages import STAGES
from tests.support.power.tracing import require_strace
from tests.support.programs import require_program

pytestmark = pytest.mark.daemon

Cutting = Callable[..., None]


@pytest.fixture
def cut_all(tmp_path: Path, record_property: Callable[[str, object], None]) -> Cutting:
    """Cuts a stage of a new site, looks at what becomes of it, and says how often.

    In a process of its own: where a test before has used SoftHSM, forked agents would have to use
    the same token.
    """
    require_strace()

    def cut(keys: Keys, name: str, *, seeds: int, every: int) -> None:
        if keys is Keys.SOFTHSM:
            require_program("softhsm2-util", package="softhsm2")
        root = tmp_path.resolve() / "site"
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            work = process.submit(cut_stage, root, keys, name, seeds=seeds, every=every)
            outcome: Outcome = work.result()
        record_property("power_cuts", outcome.chosen)
        record_property(
            "said",
            f"{keys.value} keys, {name}{', in part' if seeds else ''}: "
            f"{outcome.calls} system calls, {outcome.states} states of disk and server, "
            f"{outcome.lost_tokens} times no token",
        )
        assert not outcome.problems, "\n".join(outcome.problems)

    return cut


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
