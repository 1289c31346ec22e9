"""What every test gets: the network guard, the bookkeeping of covered rows, the fuzzing effort."""

import os
from collections import defaultdict
from typing import Any

from _pytest.terminal import TerminalReporter
from hypothesis import HealthCheck, settings

from tests.support.network_guard import forbid_network

pytest_plugins = ["pytester", "tests.support.covers"]

forbid_network()

# A loaded machine is no fault of the code under test: no time limits for single examples.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("short", _PATIENT, max_examples=100)
settings.register_profile("long", _PATIENT, max_examples=10_000)
settings.load_profile(os.environ.get("SCEPLAB_FUZZ", "short"))


_SUMS = {
    "console_bytes": "{total:,} fuzzed bytes typed at {tests} consoles",
    "kills": "the agent was killed {total:,} times and started again",
    "power_cuts": "the agent was started again after {total:,} power cuts",
}
"""Properties of tests that are numbers, and what is said of their sum."""


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Says what tests counted, also when they ran in several processes."""
    reports = [
        report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)
    ]
    told: defaultdict[str, list[Any]] = defaultdict(list)
    for report in reports:
        for name, value in report.user_properties:
            told[name].append(value)
    for line in sorted(set(told["said"])):
        terminalreporter.write_line(line)
    for name, text in _SUMS.items():
        if told[name]:
            terminalreporter.write_line(text.format(total=sum(told[name]), tests=len(told[name])))
