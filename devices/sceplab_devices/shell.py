"""A platform's shell as the tables ``[shell]`` and ``[lines.*]`` of its profile say. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLOSINGS = ("close", "reopen")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellSettings:
    """The table ``[shell]``."""

    base_mode: str
    """Mode that a session starts in."""
    privilege: int
    """Of a session without login."""
    filters: tuple[str, ...]
    """Output filters behind ``|``, in the order in which they are shown."""
    filter_chain: bool
    """Further filters may follow, each behind a ``|``."""
    filterable: tuple[str, ...]
    """First words of the commands that read a filter."""
    marks: Mapping[str, str]
    """``{mark}`` of prompts by least privilege."""
    comment: str
    """A line that begins with this text is ignored; empty: none."""
    more: str
    """Paging prompt; ``{percent}`` in it is how much was shown."""
    more_erase: str
    line_limit: int
    history_size: int
    terminal_width: int
    interrupt_ends_modes: bool
    suspend_ends_modes: bool
    fits_window: bool
    """A client's window sets width and page length."""
    newline: str
    """What ends a line on the wire."""
    completion: str
    """How a completion key shows its result, see `completer`."""
    completion_keys: tuple[str, ...]
    """Tab, and a blank where it completes too; a blank that completes nothing is a blank."""

    def mark(self, privilege: int) -> str:
        """``{mark}`` at a privilege."""
        fitting = [level for level in self.marks if int(level) <= privilege]
        return self.marks[max(fitting, key=int)] if fitting else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """A table ``[lines.console]`` or ``[lines.vty]``."""

    opening: str
    """Handler that runs before the first prompt; empty: none."""
    closing: str
    """After the session: ``close`` the line, or ``reopen`` it, that is, start over."""
    length: int
    """Page length of a new session."""
    monitor: bool
    """Log lines are shown from the start."""
    count: int
    """Sessions at a time; further connections are dropped."""
    login_timeout_s: int
    """Silence after which a question of the opening dialog ends the session; 0: never."""
