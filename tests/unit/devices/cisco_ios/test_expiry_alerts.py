"""When a router tells that a certificate is about to end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_devices.profiles.cisco_ios.expiry_alerts import next_alert

END = datetime(2027, 1, 1, tzinfo=UTC)


def test_sixty_days_then_weekly_then_daily() -> None:
    """Days before the end, all of them."""
    days = []
    at = next_alert(END, END - timedelta(days=400))
    while at is not None:
        days.append((END - at) / timedelta(days=1))
        at = next_alert(END, at)
    assert days == [60, 53, 46, 39, 32, 25, 18, 11, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("after", [END - timedelta(hours=5), END, END + timedelta(days=9)])
def test_none_behind_the_last(after: datetime) -> None:
    """A certificate that has ended, or ends today, has no alert any more."""
    assert next_alert(END, after) is None


@given(st.timedeltas(timedelta(), timedelta(days=100)))
def test_always_later_and_never_behind_the_end(before: timedelta) -> None:
    """So that a timer that is set to it comes to an end."""
    at = next_alert(END, END - before)
    assert at is None or END - before < at < END
