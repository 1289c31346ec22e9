"""Waking a serial terminal with Enter does not count as a login."""

from __future__ import annotations

import pytest

from sceplab_devices.profile import open_profile
from sceplab_devices.session import CONSOLE_LINE
from tests.support.device_bench import DeviceBench


@pytest.mark.parametrize("name", ["cisco-nxos", "juniper-junos", "paloalto-panos"])
def test_enter_alone_asks_for_the_name_again(name: str) -> None:
    """Four times Enter, and the login that follows is the first try."""
    bench = DeviceBench(open_profile(name), hostname="box", users={"admin": "secret"})
    terminal = bench.terminal(CONSOLE_LINE)
    for _ in range(4):
        assert "assword" not in terminal.run("")
    assert "assword:" in terminal.run("admin")
    terminal.run("secret")
    assert terminal.console.session.user == "admin"
