"""Host name, domain and time zone of Cisco boxes."""

from __future__ import annotations

import pytest

from tests.support.ios import RouterBench


@pytest.mark.parametrize("line", ["clock timezone X 99", "hostname -x"])
def test_what_is_refused_changes_nothing(line: str) -> None:
    """The configuration is as saved as before."""
    bench = RouterBench()
    bench.run("configure terminal", line)
    assert bench.router.is_saved
    assert bench.router.changed_at is None


@pytest.mark.parametrize("line", ["clock timezone X 1", "ip domain name x.test", "no hostname"])
def test_what_is_taken_counts_as_a_change(line: str) -> None:
    """Also where a value goes back to the factory's."""
    bench = RouterBench()
    bench.run("configure terminal", line)
    assert not bench.router.is_saved
