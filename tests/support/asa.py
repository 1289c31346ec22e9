"""An ASA with a scripted enrollment engine, and transcripts played on it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profiles.cisco_asa import Firewall, create_profile
from sceplab_devices.profiles.cisco_asa.firewall import FULL_PRIVILEGE
from sceplab_devices.session import CONSOLE_LINE, LineInfo
from tests.support.device_bench import DeviceBench


@cache
def asa_profile() -> DeviceProfile:
    """The profile, compiled once for all tests."""
    return create_profile()


class FirewallBench(DeviceBench):
    """A firewall, its clock, its enrollment engine, and terminals on it."""

    def __init__(self, *, hostname: str = "asa", **settings: object) -> None:
        super().__init__(asa_profile(), hostname=hostname, **settings)
        assert isinstance(self.device, Firewall)
        self.firewall = self.device

    def run(self, *lines: str) -> str:
        """Types lines in a configuration session of its own; gives what the last one printed."""
        terminal = self.terminal(LineInfo(name="vty4", kind="vty", number=4), user="operator")
        terminal.console.session.privilege = FULL_PRIVILEGE
        for line in ("terminal pager 0", "configure terminal"):
            terminal.run(line)
        output = ""
        for line in lines:
            output = terminal.run(line)
        terminal.console.disconnect()
        return output.partition("\n")[2].rpartition("\n")[0]

    def play(
        self, path: str, *, line: LineInfo = CONSOLE_LINE, values: Mapping[str, str] | None = None
    ) -> None:
        """Plays a transcript of the folder ``cisco_asa``."""
        super().play(f"cisco_asa/{path}.txt", line=line, values=values)
