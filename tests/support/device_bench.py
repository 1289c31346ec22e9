"""A device of any profile with a scripted enrollment engine, and transcripts played on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.session import CONSOLE_LINE, LineInfo
from tests.support.consoles import VTY, ManualClock, Terminal
from tests.support.scripted_port import ScriptedPort
from tests.support.transcripts import play_transcript

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"


class DeviceBench:
    """A device, its clock, its enrollment engine, and terminals on it.

    Args:
        profile: its platform.
        settings: go to `DeviceProfile.new_device`.
    """

    def __init__(self, profile: DeviceProfile, **settings: object) -> None:
        self.clock = ManualClock()
        self.port = ScriptedPort(self.clock)
        self.saved: list[str] = []
        """Every text that the device saved, oldest first."""
        self.device = profile.new_device(port=self.port, clock=self.clock, **settings)
        self.device.on_save = self.saved.append

    def terminal(self, line: LineInfo = VTY) -> Terminal:
        """A session just opened."""
        return Terminal(self.device.profile, line=line, device=self.device)

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
            "request-comes": lambda _: self.port.request_comes(),
            "renew": self.port.renew,
            "wait-minutes": lambda minutes: self.advance(timedelta(minutes=float(minutes))),
            "wait-days": lambda days: self.advance(timedelta(days=float(days))),
        }

    def advance(self, duration: timedelta) -> None:
        """Moves the clock."""
        self.clock.advance(duration.total_seconds())
        self.device.tick(self.clock.now)

    def play(
        self, path: str, *, line: LineInfo = CONSOLE_LINE, values: Mapping[str, str] | None = None
    ) -> None:
        """Plays a transcript, named as below ``tests/transcripts``, on a new session."""
        screen = self.terminal(line)
        play_transcript(TRANSCRIPTS / path, screen, values=values, hooks=self.hooks())
