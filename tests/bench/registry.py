"""Where benchmarks announce themselves."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.record import Record


@dataclass(frozen=True, slots=True)
class Effort:
    """How often to measure: the result is the median of ``rounds`` means over ``repeats`` calls."""

    rounds: int = 5
    repeats: int = 200


DEFAULT_EFFORT = Effort()


Benchmark = Callable[[Effort], Iterable[Record]]

_benchmarks: list[Benchmark] = []


def benchmark(function: Benchmark) -> Benchmark:
    """Register a benchmark; its records appear in the order of files and definitions."""
    _benchmarks.append(function)
    return function


def load_benchmarks() -> list[Benchmark]:
    """Every benchmark of the ``bench_*.py`` files beside this module."""
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        importlib.import_module(f"tests.bench.{path.stem}")
    return list(_benchmarks)
