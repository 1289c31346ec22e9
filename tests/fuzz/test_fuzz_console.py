"""Garbage at the consoles of all platforms: no crash, no hang, and the device still answers."""

from __future__ import annotations

import logging
import os
import random
import tracemalloc
from collections.abc import Callable

import pytest

from sceplab_devices.device import Device
from sceplab_devices.profile import known_profiles
from sceplab_devices.session import CONSOLE_LINE, LineInfo
from tests.support.console_fuzz import Victim, check
from tests.support.consoles import VTY, IdlePort, ManualClock
from tests.support.device_bench import DeviceBench, shared_profile
from tests.support.sample_profile import create_profile

pytestmark = pytest.mark.fuzz

TOTAL_BYTES = 5_000_000 if os.environ.get("SCEPLAB_FUZZ") == "long" else 200_000
"""Over all platforms and lines."""
PLATFORMS = ["sample", *known_profiles()]
LINES = {"vty": VTY, "console": CONSOLE_LINE}
CASES = [(name, line) for name in PLATFORMS for line in LINES]
SHARE = -(-TOTAL_BYTES // len(CASES))
MEGABYTE = 1_000_000
MEMORY_BYTES = 4 * MEGABYTE
"""Beyond what was typed, while lines of a megabyte come in."""


def nothing(_: random.Random) -> None:
    """For devices to which nothing happens."""


def new_device(name: str) -> tuple[Device, Callable[[random.Random], None]]:
    """A device of a platform, and what makes something happen to it."""
    if name == "sample":
        return create_profile().new_device(port=IdlePort(), clock=ManualClock()), nothing
    bench = DeviceBench(shared_profile(name))
    return bench.device, bench.happen


def answers(device: Device, line: LineInfo) -> bool:
    """Whether a fresh session gives help: the command that every platform has."""
    console = device.open_console(line, user="admin")
    shown = console.open()
    for _ in range(3):
        shown += console.receive(b"\r")
    prompt = shown.splitlines()[-1]
    listing = console.receive(b"?")
    console.receive(b"q\x15")
    back = console.receive(b"\r").splitlines()[-1]
    console.disconnect()
    return bool(prompt) and prompt == back and listing.count(b"\n") > 1


@pytest.mark.parametrize(("name", "line"), CASES)
def test_a_device_survives_garbage(
    name: str,
    line: str,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> None:
    """No command breaks but the sample's, on purpose; no session is left; help is there."""
    device, happen = new_device(name)
    with caplog.at_level(logging.ERROR):
        victim = Victim(device, LINES[line], happen=happen, seed=len(name) + len(line))
        count = victim.drive(SHARE)
    assert count >= SHARE
    record_property("console_bytes", count)
    expected = {ZeroDivisionError} if name == "sample" else set()
    broken = [record for record in caplog.records if "failed" in record.getMessage()]
    assert {record.exc_info[0] for record in broken if record.exc_info} <= expected
    assert len(victim.prompts) > 1, "only the first prompt was met"
    assert device.consoles == []
    assert answers(device, LINES[line])


@pytest.mark.parametrize("name", PLATFORMS)
def test_lines_of_a_megabyte_are_cut(name: str) -> None:
    """What is shown and what is kept stays small, at the prompt and without a line end."""
    device, _ = new_device(name)
    console = device.open_console(VTY, user="admin")
    console.open()
    tracemalloc.start()
    try:
        for end in (b"\r", b"", b"?", b"\t", b"\x03", b"\r"):
            shown = console.receive(b"x" * MEGABYTE + end)
            check(shown)
            assert len(shown) < 20_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_BYTES
    console.disconnect()
    assert answers(device, VTY)
