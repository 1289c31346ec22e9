"""Which lines let everybody in."""

from __future__ import annotations

import pytest

from sceplab_devices.lines.endpoint import parse_endpoint
from sceplab_lab.device_service import lets_anybody_in
from tests.support.ios import RouterBench


@pytest.mark.parametrize(
    ("line", "users", "is_open"),
    [
        ("ssh:0.0.0.0:0?auth=none", True, True),
        ("ssh:0.0.0.0:0", True, False),
        ("telnet:0.0.0.0:0", True, False),
        ("telnet:0.0.0.0:0", False, True),
    ],
)
def test_open_lines_are_told(line: str, users: bool, is_open: bool) -> None:
    """An SSH line that asks for nothing is open although the device has users."""
    device = RouterBench().device
    if users:
        device.users["admin"] = "secret"
    assert lets_anybody_in(parse_endpoint(line), device) is is_open
