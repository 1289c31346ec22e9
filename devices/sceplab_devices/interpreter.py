"""Decides what a typed line means in a session: which command, in which mode, with which filter.

Pure: it reads the session and changes nothing. The console carries the decision out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sceplab_devices.filters import Filter, FilterFailure
from sceplab_devices.grammar import Failure, Match
from sceplab_devices.modes import Mode, render_prompt

if TYPE_CHECKING:
    from sceplab_devices.device import Device
    from sceplab_devices.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with a line."""

    handler: str = ""
    """Handler to run; empty: none."""
    match: Match | None = None
    mode: Mode | None = None
    """Mode the command belongs to; a mode open above it is left first."""
    filter: Filter | None = None
    error: str = ""
    """Text to print instead."""


NOTHING_TO_DO = Decision()


def interpret(device: Device, session: Session, line: str) -> Decision:
    """What ``line`` means in the session's present mode."""
    profile = device.profile
    mode = session.mode
    if mode.raw:
        return Decision(handler=mode.raw)
    comment = profile.shell.comment
    if not line.strip() or (comment and line.lstrip().startswith(comment)):
        return NOTHING_TO_DO
    worst: Failure | None = None
    for candidate in mode_chain(device, mode):
        result = profile.grammar(candidate.id, session.privilege).parse(line)
        if isinstance(result, Match):
            return _decide(device, session, line, result, candidate)
        if result and (worst is None or _reach(result) > _reach(worst)):
            worst = result
    assert worst is not None, "a line with words gives a match or a failure"
    if worst.kind == "invalid" and worst.index == 0 and mode.unknown:
        return Decision(handler=mode.unknown)
    return Decision(error=_explain(device, session, line, worst))


def mode_chain(device: Device, mode: Mode) -> list[Mode]:
    """The mode and those whose commands it falls back to."""
    chain = [mode]
    while chain[-1].fallback and len(chain) < len(device.profile.modes):
        chain.append(device.profile.modes[chain[-1].fallback])
    return chain


def _reach(failure: Failure) -> tuple[int, bool]:
    return failure.index, failure.kind != "invalid"


def _decide(device: Device, session: Session, line: str, match: Match, mode: Mode) -> Decision:
    chosen: Filter | None = None
    if match.filter:
        result = device.profile.filters.parse(match.filter, device, session)
        if isinstance(result, FilterFailure):
            if result.kind == "invalid":
                text = invalid_input(device, session, line, result.offset)
            else:
                text = _error(device, session, line, result.kind, result.offset)
            return Decision(error=text)
        chosen = result
    # A `do` command belongs to another mode but runs where it was typed.
    home = mode if "do" not in match.form.prefix else None
    return Decision(handler=match.form.command.handler, match=match, mode=home, filter=chosen)


def _explain(device: Device, session: Session, line: str, failure: Failure) -> str:
    if failure.kind == "invalid" and failure.token:
        first = failure.index == 0
        return invalid_input(device, session, line, failure.token.offset, first=first)
    offset = failure.token.offset if failure.token else len(line.rstrip()) + 1
    return _error(device, session, line, failure.kind, offset)


def incomplete_input(device: Device, session: Session, line: str) -> str:
    """The error for a line that lacks something at its end."""
    return _error(device, session, line, "incomplete", len(line.rstrip()) + 1)


def invalid_input(
    device: Device, session: Session, line: str, offset: int, *, first: bool = False
) -> str:
    """The error for a word that cannot stand where it stands.

    Args:
        device: named in the prompt.
        session: whose prompt counts for the marker's column.
        line: as typed.
        offset: of the word in the line.
        first: it is the first word.
    """
    word = line[offset:].split(maxsplit=1)
    kind = "invalid_first" if first else "invalid"
    return _error(device, session, line, kind, offset, token=word[0] if word else "")


def _error(
    device: Device, session: Session, line: str, kind: str, offset: int, *, token: str = ""
) -> str:
    marker = marker_line(device, session, offset)
    return device.profile.error(kind, marker=marker, token=token, line=line.strip())


def marker_line(device: Device, session: Session, offset: int) -> str:
    """A mark below what stands at ``offset`` of the line behind the prompt."""
    column = len(prompt_of(device, session).rpartition("\n")[2]) + offset
    return " " * (column % session.width if session.width else column) + "^"


def prompt_of(device: Device, session: Session) -> str:
    """The session's present prompt."""
    mark = device.profile.shell.mark(session.privilege)
    values = device.prompt_values(session)
    return render_prompt(session.frames[-1], hostname=device.hostname, mark=mark, values=values)
