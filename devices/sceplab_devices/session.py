"""State of one terminal session: who is on it, how wide it is, which modes are open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from sceplab_devices.modes import Mode, ModeFrame

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class LineInfo:
    """Where a session comes from, as `show users` and log lines name it."""

    name: str
    """``con0``, ``vty0``, ``vty1`` …"""
    kind: str
    """``console`` or ``vty``: decides the opening dialog and whether log lines are shown."""
    number: int = 0
    peer: str = ""
    """Address of the other side without port; empty on a serial line."""


CONSOLE_LINE = LineInfo(name="con0", kind="console")


@dataclass(slots=True, kw_only=True)
class Session:
    """One operator's terminal.

    Handlers read and change these fields directly; nothing else has to be told.
    """

    line: LineInfo
    opened_at: datetime
    frames: list[ModeFrame]
    """Open modes, base mode first. Changed through `CommandContext` only."""
    user: str = ""
    """Login name; empty when nobody logged in by name."""
    privilege: int = 1
    width: int = 80
    """Columns; 0: unlimited."""
    length: int = 24
    """Lines of a page; 0: no paging."""
    history_size: int = 20
    history: list[str] = field(default_factory=list)
    """Lines typed as commands, oldest first."""
    monitor: bool = False
    """Log lines are shown (a console line starts with true, a vty with false)."""
    synchronous: bool = False
    """After a log line the prompt and the typed text are shown again (``logging synchronous``)."""
    completes_on_blank: bool = True
    """Where the platform has a blank complete words: this terminal wants it."""
    exec_timeout_s: float = 0.0
    """Idle time after which the session ends; 0: never."""
    variables: dict[str, str] = field(default_factory=dict)
    """Free for the profile."""

    @property
    def mode(self) -> Mode:
        """The mode that the next line is read in."""
        return self.frames[-1].mode

    @property
    def mode_values(self) -> Mapping[str, str]:
        """What the present mode was entered with, for example ``{"name": "TP"}``."""
        return MappingProxyType(self.frames[-1].values)


def open_session(profile: DeviceProfile, line: LineInfo, now: datetime) -> Session:
    """A session as it begins: base mode, the platform's terminal settings."""
    settings = profile.lines[line.kind]
    return Session(
        line=line,
        opened_at=now,
        frames=[ModeFrame(profile.modes[profile.shell.base_mode], {})],
        privilege=profile.shell.privilege,
        width=profile.shell.terminal_width,
        length=settings.length,
        history_size=profile.shell.history_size,
        monitor=settings.monitor,
    )
