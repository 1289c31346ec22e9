"""What every test gets: the network guard, the bookkeeping of covered rows, the fuzzing effort."""

import os

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


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Says how many bytes were typed at consoles, also when the tests ran in several processes."""
    reports = terminalreporter.getreports("passed")
    counts = [
        value
        for report in reports
        for name, value in report.user_properties
        if name == "console_bytes"
    ]
    if counts:
        terminalreporter.write_line(f"{sum(counts):,} fuzzed bytes typed at {len(counts)} consoles")
