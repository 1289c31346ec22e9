"""Dates as Junos prints them; this box's zone is UTC."""

from __future__ import annotations

from datetime import datetime, timedelta

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def validity_text(moment: datetime) -> str:
    """``04- 3-2018 09:13 UTC``: day padded to two columns with a blank."""
    return f"{moment.month:02d}-{moment.day:2d}-{moment.year} {moment:%H:%M} UTC"


def system_text(moment: datetime) -> str:
    """``2026-03-01 12:00:00 UTC``."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def log_stamp(moment: datetime) -> str:
    """``Mar  1 12:00:00``."""
    return f"{MONTHS[moment.month - 1]} {moment.day:2d} {moment:%H:%M:%S}"


def duration_text(duration: timedelta) -> str:
    """``1w2d 03:04 ago``, ``00:05:12 ago``."""
    seconds = max(0, int(duration.total_seconds()))
    days, seconds = divmod(seconds, 86400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    if not days:
        return f"{hours:02d}:{minutes:02d}:{seconds:02d} ago"
    weeks, days = divmod(days, 7)
    shown = (f"{weeks}w" if weeks else "") + (f"{days}d" if days else "")
    return f"{shown} {hours:02d}:{minutes:02d} ago"
