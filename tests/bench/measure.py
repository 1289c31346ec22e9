"""CPU time of several subjects, measured by turns in the same process."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tests.bench.registry import Effort

_WARM_UP_CALLS = 5


@contextmanager
def settled_heap() -> Iterator[None]:
    """Keeps what is loaded by now, test tools included, out of the collector's way.

    Otherwise each collection walks the benchmark's own imports and charges them to the subject.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def cpu_us(
    subjects: Mapping[str, Callable[[], object]],
    effort: Effort,
    *,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """CPU microseconds of one call of each subject.

    The subjects take turns call by call, so that a change of clock rate or a neighbour's load falls
    on all of them. Calls before the first round load code, fill caches and warm RSA blinding.

    Args:
        subjects: name to a function that does the work once.
        effort: rounds and calls.
        clock: seconds; ``time.process_time`` counts all threads, ``time.thread_time`` this one.
    """
    for function in subjects.values():
        for _ in range(_WARM_UP_CALLS):
            function()
    means: dict[str, list[float]] = {name: [] for name in subjects}
    with settled_heap():
        for _ in range(effort.rounds):
            spent = dict.fromkeys(subjects, 0.0)
            for _ in range(effort.repeats):
                for name, function in subjects.items():
                    start = clock()
                    function()
                    spent[name] += clock() - start
            for name, seconds in spent.items():
                means[name].append(seconds / effort.repeats * 1e6)
    return {name: statistics.median(values) for name, values in means.items()}
