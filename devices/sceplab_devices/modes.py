"""Modes of a console: prompt, where its commands come from, how it ends. Data only.

A mode is one table ``[modes.ID]`` of the profile. Sub-modes of a configuration fall back to another
mode's commands (``fallback``): a command found there leaves the sub-mode first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

NO_HELP: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One console mode.

    The fields are the keys of its data table, except ``id``.
    """

    id: str
    prompt: str
    """Template: ``{hostname}``, ``{mark}`` (by privilege, ``shell.marks``), ``{user}`` and whatever
    else `Device.prompt_values` gives, and the values the mode was entered with. Written as it
    stands, trailing space included; it may have several lines."""
    hostname_limit: int = 0
    """The host name is cut to this many characters in the prompt; 0: not cut."""
    groups: tuple[str, ...] = ()
    """Further names under which commands may list this mode."""
    fallback: str = ""
    """Mode whose commands are tried when none of this one fits; running one leaves this mode."""
    do: str = ""
    """Mode whose commands ``do …`` runs without leaving this one; empty: no ``do``."""
    negation: bool = False
    """``no …`` and ``default …`` are read."""
    help_header: str = ""
    """Line above the first-level help."""
    help: Mapping[str, str] = field(default_factory=dict)
    """Help texts of this mode; they come before the profile's ``[help]``."""
    unknown: str = ""
    """Handler for a line (``ctx.line``) whose first word is unknown; empty: the usual error."""
    raw: str = ""
    """Handler that gets every line unparsed in ``ctx.line`` (paste modes); empty: parse."""
    on_leave: str = ""
    """`LeaveHandler` to call when the mode is left in any way, a dropped line included."""


@dataclass(frozen=True, slots=True)
class ModeFrame:
    """A mode as entered: the mode and the values it was entered with."""

    mode: Mode
    values: Mapping[str, str]


LeaveHandler = Callable[[Any, Mapping[str, str]], None]
"""``handler(ctx, values)``; must not ask or wait."""


def render_prompt(frame: ModeFrame, *, hostname: str, mark: str, values: Mapping[str, str]) -> str:
    """Prompt of an open mode; ``values`` are what the device adds to those of the mode."""
    mode = frame.mode
    shown = hostname[: mode.hostname_limit] if mode.hostname_limit else hostname
    return mode.prompt.format_map({**values, **frame.values, "hostname": shown, "mark": mark})
