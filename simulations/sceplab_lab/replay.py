"""What `sceplab device replay` does: a captured session against a profile; what differs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sceplab_devices.errors import DeviceError
from sceplab_devices.profile import open_profile
from sceplab_devices.transcript import Step, Transcript, TranscriptError, play, read_transcript
from sceplab_lab.device_options import read_options
from sceplab_lab.replay_diff import differences, visible
from sceplab_lab.replay_lab import DECIDING_HOOKS, open_lab
from sceplab_lab.replay_plain import HIDDEN, read_plain

SAME, DIFFERENT, UNREADABLE = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Options of the command."""

    path: Path
    profile: str = ""
    options: Sequence[str] = ()
    hostname: str = ""
    values: Sequence[str] = ()
    is_plain: bool = False
    as_json: bool = False


def run_replay(options: ReplayOptions) -> int:
    """Plays the transcript and prints what differs; the exit code."""
    try:
        transcript = _read(options)
        steps = _play(transcript, options)
    except DeviceError as error:
        print(error, file=sys.stderr)
        return UNREADABLE
    except OSError as error:
        print(f"{options.path}: {error.strerror}", file=sys.stderr)
        return UNREADABLE
    if options.as_json:
        print(json.dumps(_facts(steps), indent=2))
    else:
        _print(options.path, steps)
    return SAME if all(step.matches for step in steps) else DIFFERENT


def _read(options: ReplayOptions) -> Transcript:
    name = str(options.path)
    try:
        text = options.path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise TranscriptError(name, 0, "is not UTF-8 text") from error
    if options.is_plain:
        if not options.profile:
            raise TranscriptError(name, 0, "a plain log needs --profile")
        transcript = read_plain(text, open_profile(options.profile), name)
    else:
        transcript = read_transcript(text.replace("\r\n", "\n"), name)
    header = transcript.header
    header.profile = options.profile or header.profile
    header.hostname = options.hostname or header.hostname
    header.options += options.options
    if not header.profile:
        raise TranscriptError(name, 0, "names no profile; give --profile or ';;= profile NAME'")
    return transcript


def _play(transcript: Transcript, options: ReplayOptions) -> list[Step]:
    header = transcript.header
    profile = open_profile(header.profile)
    called = {part.argument.split(" ")[0] for part in transcript.parts if part.marker == "@ "}
    try:
        lab = open_lab(
            profile,
            hostname=header.hostname,
            settings=read_options(profile, header.options),
            line=header.line,
            user=header.user,
            is_decided_by_hand=bool(called & DECIDING_HOOKS),
        )
        with lab as screen:
            values = {HIDDEN: HIDDEN, **screen.values(), **_given(options.values)}
            played = play(transcript, screen, values=values, hooks=screen.hooks())
            return list(played)
    except ValueError as error:  # of a platform that looks at its options itself
        raise DeviceError(str(error)) from error


def _given(pairs: Sequence[str]) -> dict[str, str]:
    given = {}
    for pair in pairs:
        name, mark, text = pair.partition("=")
        if not mark or not name:
            raise DeviceError(f"--value {pair!r}: expected NAME=TEXT")
        given[name] = text
    return given


def _print(path: Path, steps: list[Step]) -> None:
    for step in steps:
        if not step.matches:
            print(f"{path}:{step.part.line_number}: {visible(step.part.title)}")
            print("\n".join(differences(step)) or "  (the typed line is not echoed so)")
            print()
    different = sum(not step.matches for step in steps)
    print(f"{len(steps)} steps, {len(steps) - different} the same, {different} different")


def _facts(steps: list[Step]) -> dict[str, Any]:
    return {
        "steps": len(steps),
        "different": sum(not step.matches for step in steps),
        "differences": [
            {
                "line": step.part.line_number,
                "action": step.part.title,
                "echo": step.has_echo,
                "expected": step.expected,
                "actual": step.actual,
                "diff": differences(step),
            }
            for step in steps
            if not step.matches
        ],
    }
