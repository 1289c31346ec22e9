"""Dates, hexadecimal, timers and hidden passwords as IOS writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sceplab_devices.profiles.cisco.dates import (
    Zone,
    clock_text,
    date_text,
    iso_text,
    log_stamp,
    remaining_text,
    uptime_text,
    weekday_text,
)
from sceplab_devices.profiles.cisco.hexdump import grouped_hex, hex_lines, serial_hex
from sceplab_devices.profiles.cisco.obfuscation import hash_secret, obfuscate, reveal

MOMENT = datetime(2024, 2, 7, 9, 56, 57, 45_678, UTC)
MOSCOW = Zone("MSK", 180)


def test_dates() -> None:
    """Days are padded in log lines only, and everything but ISO time follows the zone."""
    assert date_text(MOMENT, MOSCOW) == "12:56:57 MSK Feb 7 2024"
    assert weekday_text(MOMENT, Zone()) == "09:56:57 UTC Wed Feb 7 2024"
    assert clock_text(MOMENT, MOSCOW) == "12:56:57.045 MSK Wed Feb 7 2024"
    assert log_stamp(MOMENT, MOSCOW) == "Feb  7 12:56:57.045"
    assert iso_text(MOMENT) == "2024-02-07T09:56:57Z"


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(minutes=3, seconds=26, milliseconds=37), "        3:26.037"),
        (timedelta(seconds=57, milliseconds=782), "          57.782"),
        (timedelta(days=291, hours=23, minutes=59, seconds=52.231), "291d23:59:52.231"),
        (timedelta(hours=5, minutes=54, seconds=30.889), "     5:54:30.889"),
        (timedelta(days=1283, hours=11, minutes=50, seconds=32.327), "1283d11:50:32.327"),
        (timedelta(seconds=-5), "           0.000"),
    ],
)
def test_remaining_time(duration: timedelta, text: str) -> None:
    """Timers leave units out that are zero in front, and never run below zero."""
    assert remaining_text(duration) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(weeks=3, days=6, minutes=32), "3 weeks, 6 days, 32 minutes"),
        (timedelta(days=366, hours=1), "1 year, 1 day, 1 hour"),
    ],
)
def test_uptime(duration: timedelta, text: str) -> None:
    """Uptime names the units that are not zero."""
    assert uptime_text(duration) == text


def test_hexadecimal() -> None:
    """Groups of eight digits end in a blank; serial numbers are the octets of their INTEGER."""
    assert grouped_hex(bytes(range(6))) == "00010203 0405 "
    assert hex_lines(bytes(33)) == ["  " + "00000000 " * 8, "  00 "]
    assert serial_hex(2) == "02"
    assert serial_hex(0xDC) == "00DC"
    assert serial_hex(0x1675829B) == "1675829B"


def test_type_7_is_reversible() -> None:
    """A password hidden by another IOS box is understood, and ours by it."""
    assert reveal("0822455D0A16") == "cisco"
    assert reveal(obfuscate("one time password")) == "one time password"
    assert reveal("zz") is None
    assert reveal("08XY") is None


def test_type_8_hash() -> None:
    """A secret is written as PBKDF2 hash and reads the same whenever shown."""
    text = hash_secret("cisco")
    assert text.startswith("$8$")
    assert len(text.split("$")[2]) == 14
    assert len(text.split("$")[3]) == 43
    assert hash_secret.__wrapped__("cisco") == text
    assert hash_secret("other") != text
