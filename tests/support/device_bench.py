"""A device of any profile with a scripted enrollment engine, and transcripts played on it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

from sceplab_devices.device import Device
from sceplab_devices.profile import DeviceProfile, open_profile
from sceplab_devices.session import CONSOLE_LINE, LineInfo
from sceplab_devices.transcript import Header, TranscriptError, read_transcript
from sceplab_lab.device_options import read_options
from tests.support.consoles import VTY, ManualClock, Terminal
from tests.support.scripted_port import ScriptedPort
from tests.support.transcripts import play_transcript

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
LINES = {"console": CONSOLE_LINE, "vty": VTY}


@cache
def shared_profile(name: str) -> DeviceProfile:
    """A profile by its name, compiled once for all tests."""
    return open_profile(name)


class BenchScreen:
    """The terminal that a transcript is played on; another one after a restart."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._unseen = b""

    @property
    def greeting(self) -> bytes:
        """See `Screen`."""
        return self.terminal.greeting

    def swap(self, terminal: Terminal) -> None:
        """The old one was left; what the new one shows first comes `later`."""
        self.terminal = terminal
        self._unseen = terminal.greeting

    def type(self, keys: str) -> str:
        """See `Screen`."""
        return self.terminal.type(keys)

    def later(self) -> str:
        """See `Screen`."""
        unseen, self._unseen = self._unseen, b""
        return self.shown(unseen) + self.terminal.later()

    def shown(self, data: bytes) -> str:
        """See `Screen`."""
        return self.terminal.shown(data)


class DeviceBench:
    """A device, its clock, its enrollment engine, and terminals on it.

    Args:
        profile: its platform.
        settings: go to `DeviceProfile.new_device`.
    """

    def __init__(self, profile: DeviceProfile, **settings: object) -> None:
        self.profile = profile
        self.clock = ManualClock()
        self.port = ScriptedPort(self.clock)
        self.saved: list[str] = []
        """Every text that the device saved, oldest first."""
        self._settings = settings
        self._answered: set[str] = set()
        """Trustpoints whose CA has answered; what to do with it is asked."""
        self.device = self._new_device()

    @classmethod
    def of(cls, header: Header) -> DeviceBench:
        """The bench that a transcript asks for."""
        profile = shared_profile(header.profile)
        settings = read_options(profile, header.options)
        return cls(profile, hostname=header.hostname, **settings)

    def terminal(self, line: LineInfo = VTY, *, user: str = "") -> Terminal:
        """A session just opened."""
        return Terminal(self.device.profile, line=line, device=self.device, user=user)

    def restart(self) -> None:
        """The box goes off and comes up with what was saved last."""
        for console in tuple(self.device.consoles):
            console.disconnect()
        self.port.forget_listeners()
        self.device = self._new_device()
        self.device.restore(self.saved[-1] if self.saved else "")

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
            "wait-seconds": lambda seconds: self.advance(timedelta(seconds=float(seconds))),
            "wait-minutes": lambda minutes: self.advance(timedelta(minutes=float(minutes))),
            "wait-days": lambda days: self.advance(timedelta(days=float(days))),
        }

    def values(self, names: list[str]) -> dict[str, str]:
        """The sets of values that a header names."""
        sets = {"ca-fingerprints": self._ca_fingerprints}
        return {key: text for name in names for key, text in sets[name]().items()}

    def happen(self, chance: random.Random) -> None:
        """Time passes, and the CA answers somebody who waits for it."""
        self.advance(timedelta(seconds=chance.choice([0, 1, 61, 86400])))
        for name in self.port.names():
            if self.port.view(name).state == "CA_FETCH":
                if name not in self._answered:
                    self._answered.add(name)
                    chance.choice([self.port.ca_answers, self.port.ca_is_silent])(name)
                continue
            self._answered.discard(name)
            if self.port.has_request(name):
                chance.choice([self.port.ca_grants, self.port.ca_pends, self.port.ca_rejects])(name)

    def advance(self, duration: timedelta) -> None:
        """Moves the clock."""
        self.clock.advance(duration.total_seconds())
        self.device.tick(self.clock.now)

    def play(
        self, path: str, *, line: LineInfo = CONSOLE_LINE, values: Mapping[str, str] | None = None
    ) -> None:
        """Plays a transcript, named as below ``tests/transcripts``, on a new session."""
        self._play(TRANSCRIPTS / path, line, values)

    def _play(
        self, path: Path, line: LineInfo, values: Mapping[str, str] | None, user: str = ""
    ) -> None:
        screen = BenchScreen(self.terminal(line, user=user))

        def connect(kind: str) -> None:
            screen.terminal.console.disconnect()
            screen.swap(self.terminal(LINES[kind] if kind else line, user=user))

        def restart(_: str) -> None:
            self.restart()
            screen.swap(self.terminal(line, user=user))

        hooks = {**self.hooks(), "connect": connect, "restart": restart}
        play_transcript(path, screen, values=values, hooks=hooks)

    def _new_device(self) -> Device:
        device = self.profile.new_device(port=self.port, clock=self.clock, **self._settings)
        device.on_save = self.saved.append
        return device

    def _ca_fingerprints(self) -> dict[str, str]:
        """Of the CA that answers: ``pin`` (SHA-256), ``md5``."""
        return {
            "pin": hashlib.sha256(self.port.authority).hexdigest().upper(),
            "sha1": hashlib.sha1(self.port.authority).hexdigest().upper(),
            "md5": hashlib.md5(self.port.authority).hexdigest().upper(),
        }


def play_golden(path: Path) -> None:
    """Plays a transcript on the device that its header asks for.

    Raises:
        TranscriptError: it has no header.
    """
    header = read_transcript(path.read_text(encoding="utf-8"), path.name).header
    if not header.profile:
        raise TranscriptError(path.name, 0, "needs a header, at least ';;= profile NAME'")
    bench = DeviceBench.of(header)
    values = bench.values(header.values)
    bench._play(path, LINES[header.line], values, header.user)
