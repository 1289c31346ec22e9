"""An IOS router with a scripted enrollment engine, and transcripts played on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profiles.cisco_ios import Router, create_profile
from sceplab_devices.session import CONSOLE_LINE, LineInfo
from tests.support.consoles import VTY, ManualClock, Terminal
from tests.support.scripted_port import ScriptedPort
from tests.support.transcripts import play_transcript

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts" / "cisco_ios"


@cache
def ios_profile(train: str = "classic") -> DeviceProfile:
    """The profile, compiled once for all tests."""
    return create_profile(train)


class RouterBench:
    """A router, its clock, its enrollment engine, and terminals on it."""

    def __init__(self, train: str = "classic", *, hostname: str = "R1", **settings: object) -> None:
        self.clock = ManualClock()
        self.port = ScriptedPort(self.clock)
        router = ios_profile(train).new_device(
            hostname=hostname, port=self.port, clock=self.clock, **settings
        )
        assert isinstance(router, Router)
        self.router = router

    def terminal(self, line: LineInfo = VTY) -> Terminal:
        """A session just opened."""
        return Terminal(self.router.profile, line=line, device=self.router)

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

    def hooks(self) -> dict[str, Callable[[str], None]]:
        """What transcripts can make happen."""
        ca = {
            "answers": self.port.ca_answers,
            "is-silent": self.port.ca_is_silent,
            "grants": self.port.ca_grants,
            "pends": self.port.ca_pends,
            "rejects": self.port.ca_rejects,
        }
        return {
            **{f"ca-{name}": action for name, action in ca.items()},
            "poll": self.port.poll,
            "renew": self.port.renew,
            "wait-minutes": lambda minutes: self.advance(timedelta(minutes=float(minutes))),
            "wait-days": lambda days: self.advance(timedelta(days=float(days))),
        }

    def advance(self, duration: timedelta) -> None:
        """Moves the clock."""
        self.clock.advance(duration.total_seconds())
        self.router.tick(self.clock.now)

    def play(
        self, name: str, *, line: LineInfo = CONSOLE_LINE, values: Mapping[str, str] | None = None
    ) -> None:
        """Plays a transcript on a new session."""
        path = TRANSCRIPTS / f"{name}.txt"
        play_transcript(path, self.terminal(line), values=values, hooks=self.hooks())
