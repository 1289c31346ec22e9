"""Dates as IOS prints them, in the device's time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Zone:
    """Time zone of a device, as ``clock timezone`` sets it."""

    name: str = "UTC"
    minutes: int = 0
    """East of Greenwich."""

    def local(self, moment: datetime) -> datetime:
        """``moment`` in this zone."""
        return moment.astimezone(timezone(timedelta(minutes=self.minutes)))


def date_text(moment: datetime, zone: Zone) -> str:
    """``12:56:57 MSK Feb 27 2024``: day not padded."""
    at = zone.local(moment)
    return f"{at:%H:%M:%S} {zone.name} {MONTHS[at.month - 1]} {at.day} {at.year}"


def weekday_text(moment: datetime, zone: Zone) -> str:
    """``13:31:05 UTC Wed Nov 5 2025``, as in the head of a configuration."""
    at = zone.local(moment)
    day = f"{_DAYS[at.weekday()]} {MONTHS[at.month - 1]} {at.day} {at.year}"
    return f"{at:%H:%M:%S} {zone.name} {day}"


def clock_text(moment: datetime, zone: Zone) -> str:
    """``13:31:05.123 UTC Wed Nov 5 2025``, as in ``show clock``, without the mark."""
    at = zone.local(moment)
    full = weekday_text(moment, zone)
    return f"{full[:8]}.{at.microsecond // 1000:03d}{full[8:]}"


def written_text(moment: datetime, zone: Zone) -> str:
    """``Sun Mar  1 12:00:00 2026``: without the zone's name, day padded to two columns."""
    at = zone.local(moment)
    day = f"{_DAYS[at.weekday()]} {MONTHS[at.month - 1]} {at.day:2d}"
    return f"{day} {at:%H:%M:%S} {at.year}"


def log_stamp(moment: datetime, zone: Zone) -> str:
    """``Nov  5 13:31:05.123``: date and time in front of a log line, day padded to two columns."""
    at = zone.local(moment)
    milliseconds = at.microsecond // 1000
    return f"{MONTHS[at.month - 1]} {at.day:2d} {at:%H:%M:%S}.{milliseconds:03d}"


def iso_text(moment: datetime) -> str:
    """``2025-10-19T19:40:06Z``: UTC, whole seconds."""
    return f"{Zone().local(moment):%Y-%m-%dT%H:%M:%SZ}"


def remaining_text(duration: timedelta) -> str:
    """Remaining time of a timer in 16 columns: ``291d23:59:52.231``, ``     3:26.037``.

    Units in front that are zero are left out. Never negative.
    """
    total_ms = max(0, duration // timedelta(milliseconds=1))
    seconds, milliseconds = divmod(total_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        text = f"{days}d{hours:02d}:{minutes:02d}:{seconds:02d}"
    elif hours:
        text = f"{hours}:{minutes:02d}:{seconds:02d}"
    elif minutes:
        text = f"{minutes}:{seconds:02d}"
    else:
        text = str(seconds)
    return f"{text}.{milliseconds:03d}".rjust(_TIMER_COLUMNS)


_TIMER_COLUMNS = 16


def uptime_text(duration: timedelta) -> str:
    """``3 weeks, 6 days, 32 minutes``: two to four units, at least the minutes."""
    minutes = max(0, duration // timedelta(minutes=1))
    parts = []
    for unit, size in (("year", 525600), ("week", 10080), ("day", 1440), ("hour", 60)):
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(_count(count, unit))
    if minutes or not parts:
        parts.append(_count(minutes, "minute"))
    return ", ".join(parts)


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
