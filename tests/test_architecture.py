"""Rules about the source that no single file can break unseen.

The import layers are a contract of import-linter and part of `make check`.
"""

import re
import statistics
import subprocess
import sys

import pytest

from tests.support.source_tree import (
    ROOT,
    calls,
    function_sizes,
    modules_of_tests,
    product_modules,
    source_environment,
    text_files,
)

MEDIAN_LINES = 150
NINETIETH_PERCENTILE_LINES = 350
MOST_LINES = 500
FUNCTION_LINES = 50
LONG_FUNCTIONS_SHARE = 0.03

HEAVY_MODULES = {"aiohttp", "typer", "rich", "pydantic", "scapy", "click", "pytest", "yaml"}
"""What must never reach a device's memory."""

# Written in pieces, so that this file does not find itself.
FOREIGN_WORDS = {
    "a path of one machine": re.compile(
        r"/(?:work|root|opt|home)/" + r"(?:main|shared|\w+/\.|\.\w+)"
    ),
    "a package index": re.compile(
        r"py"
        + r"pi\.org|python"
        + r"hosted|npm"
        + r"js|(?<!no-emit)-index"
        + r"-url|deb\."
        + r"debian"
    ),
    "unfinished work": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b"),
}


def _line_counts() -> dict[str, int]:
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n")
        for path in product_modules()
        if path.name != "__init__.py"
    }


def test_modules_are_small() -> None:
    """One file, one job: bounds on the median, the 90th percentile and the longest module."""
    counts = _line_counts()
    assert statistics.median(counts.values()) <= MEDIAN_LINES
    assert statistics.quantiles(counts.values(), n=10)[-1] <= NINETIETH_PERCENTILE_LINES
    assert {name: n for name, n in counts.items() if n > MOST_LINES} == {}


def test_functions_are_short() -> None:
    """Long functions stay rare; the message lists them."""
    sizes = function_sizes(product_modules())
    long = [size for size in sizes if size.lines > FUNCTION_LINES]
    listing = "\n".join(f"{s.path.relative_to(ROOT)}: {s.name} {s.lines} lines" for s in long)
    assert len(long) < LONG_FUNCTIONS_SHARE * len(sizes), listing


def test_tests_do_not_sleep() -> None:
    """Waiting is done for an event with a deadline, never for a time to pass."""
    sleepers = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules_of_tests()
        for line, call in calls(path)
        if re.match(r"time\.sleep\(|asyncio\.sleep\((?!0\))", call)
    ]
    assert sleepers == []


@pytest.mark.parametrize(
    "module",
    ["sceplab_scep", "sceplab_hsm", "sceplab_agent", "sceplab_agent.cli", "sceplab_lab.__main__"],
)
def test_start_up_imports_nothing_heavy(module: str) -> None:
    """What runs on a device, and the way to it, loads no server, terminal or validation library."""
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=source_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert HEAVY_MODULES.intersection(done.stdout.split()) == set()


@pytest.mark.parametrize("what", FOREIGN_WORDS)
def test_files_speak_of_the_project_alone(what: str) -> None:
    """No file names one machine's paths or an index's host, or announces work to be done."""
    pattern = FOREIGN_WORDS[what]
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path, text in text_files()
        for match in [pattern.search(text)]
        if match
    ]
    assert found == []
