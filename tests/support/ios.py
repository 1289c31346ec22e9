"""An IOS router with a scripted enrollment engine, and transcripts played on it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profiles.cisco_ios import Router, create_profile
from sceplab_devices.session import CONSOLE_LINE, LineInfo
from tests.support.device_bench import DeviceBench


@cache
def ios_profile(train: str = "classic") -> DeviceProfile:
    """The profile, compiled once for all tests."""
    return create_profile(train)


class RouterBench(DeviceBench):
    """A router, its clock, its enrollment engine, and terminals on it."""

    def __init__(self, train: str = "classic", *, hostname: str = "R1", **settings: object) -> None:
        super().__init__(ios_profile(train), hostname=hostname, **settings)

    @property
    def router(self) -> Router:
        """The box."""
        assert isinstance(self.device, Router)
        return self.device

    def run(self, *lines: str) -> str:
        """Types lines in a privileged session of its own; gives what the last one printed."""
        terminal = self.terminal(LineInfo(name="vty4", kind="vty", number=4))
        terminal.run("enable")
        terminal.run("terminal length 0")
        output = ""
        for line in lines:
            output = terminal.run(line)
        terminal.console.disconnect()
        return output.partition("\n")[2].rpartition("\n")[0]

    def play(
        self, path: str, *, line: LineInfo = CONSOLE_LINE, values: Mapping[str, str] | None = None
    ) -> None:
        """Plays a transcript of the folder ``cisco_ios``."""
        super().play(f"cisco_ios/{path}.txt", line=line, values=values)
