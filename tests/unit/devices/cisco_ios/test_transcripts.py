"""Whole sessions on an IOS router, byte for byte."""

from __future__ import annotations

import hashlib

import pytest

from tests.support.ios import RouterBench
from tests.support.scripted_port import ScriptedPort


@pytest.mark.parametrize(
    ("name", "train"),
    [
        ("happy", "classic"),
        ("recent", "recent"),
        ("strict", "strict"),
        ("pin", "classic"),
        ("refused", "classic"),
        ("pending", "classic"),
        ("exhausted", "classic"),
        ("rejected", "recent"),
        ("reenroll", "classic"),
        ("renewal", "classic"),
        ("keys", "classic"),
    ],
)
def test_session(name: str, train: str) -> None:
    """The terminal shows what the transcript says, from the first byte to the last."""
    bench = RouterBench(train)
    bench.play(name, values=_fingerprints(bench.port))


def _fingerprints(port: ScriptedPort) -> dict[str, str]:
    return {
        "pin": hashlib.sha256(port.authority).hexdigest().upper(),
        "md5": hashlib.md5(port.authority).hexdigest().upper(),
    }
