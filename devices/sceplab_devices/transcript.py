r"""Transcripts: a console session as a text file, and what a device does with it, byte for byte.

A file is what a person sees, with markers at the start of a line::

    ;;= profile cisco-ios        header: what the session needs, see `Header`
    ;; comment, at any place
    R1#                          output, exactly; the last line before a marker has no line end
    > show clock                 typed, with Enter; the terminal must echo it
    12:00:00 UTC Mar 1 2026
    R1#
    >! s3cret                    typed, with Enter; only the line end comes back (passwords)
    >~ sh\t\x1a                 keys as they are (Python escapes, no Enter); their echo is output
    @ grant VPN                  calls the hook "grant" with "VPN"; what appears by itself follows
    {{name}}                     stands for a value, in output and typed text
    {{*}}                        any text within a line of output
    {{*name}}                    the same, and the value ``name`` from there on

Pure: bytes come from a `Screen`, happenings from hooks.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Protocol

from sceplab_devices.errors import DeviceError

MARKERS = ("> ", ">! ", ">~ ", "@ ")
DIRECTIVE = ";;= "
_PLACEHOLDER = re.compile(r"\{\{(\*?)([\w-]*)\}\}")
_LINES = ("console", "vty")


class TranscriptError(DeviceError):
    """A transcript cannot be read or played.

    Attributes:
        line_number: place in the file, 0: the file as a whole.
    """

    def __init__(self, name: str, line_number: int, reason: str) -> None:
        where = f"{name}:{line_number}" if line_number else name
        super().__init__(f"{where}: {reason}")
        self.line_number = line_number


@dataclass(slots=True, kw_only=True)
class Header:
    """What a session needs, as the ``;;=`` lines at the top of its file say."""

    profile: str = ""
    """``;;= profile NAME``."""
    hostname: str = ""
    """``;;= hostname NAME``; empty: the profile's."""
    line: str = "console"
    """``;;= line console`` or ``;;= line vty``."""
    user: str = ""
    """``;;= user NAME``: whom the line has let in already."""
    options: list[str] = field(default_factory=list)
    """``;;= option KEY=VALUE`` each: settings of the profile's own."""
    values: list[str] = field(default_factory=list)
    """``;;= values NAME`` each: sets of values the player provides."""

    def take(self, directive: str) -> str:
        """Reads one directive; gives what is wrong with it, empty: nothing."""
        key, _, value = directive.partition(" ")
        value = value.strip()
        if not value:
            return f"{key} has no value"
        if key in ("profile", "hostname", "user"):
            setattr(self, key, value)
        elif key == "line":
            if value not in _LINES:
                return f"no line {value!r}; expected: {' or '.join(_LINES)}"
            self.line = value
        elif key == "option":
            self.options.append(value)
        elif key == "values":
            self.values += value.split()
        else:
            return f"unknown directive {key!r}"
        return ""


@dataclass(slots=True)
class Part:
    """One action and the output behind it. The first part has no action."""

    line_number: int
    marker: str
    argument: str
    comments: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The action as the file has it."""
        return f"{self.marker}{self.argument}" or "(greeting)"


@dataclass(slots=True)
class Transcript:
    """A file that was read."""

    name: str
    header: Header
    parts: list[Part]


def read_transcript(text: str, name: str = "transcript") -> Transcript:
    """A transcript from its text; ``name`` is for errors.

    Raises:
        TranscriptError: a header line means nothing or stands below the first output.
    """
    header = Header()
    parts = [Part(0, "", "")]
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        marker = next((marker for marker in MARKERS if line.startswith(marker)), "")
        if not marker and line + " " in MARKERS:
            marker = line + " "
        if line.startswith(DIRECTIVE):
            is_late = len(parts) > 1 or parts[0].output
            problem = (
                "is below the first output" if is_late else header.take(line[len(DIRECTIVE) :])
            )
            if problem:
                raise TranscriptError(name, number, f"header: {problem}")
        if line.startswith(";;"):
            parts[-1].comments.append(line)
        elif marker:
            parts.append(Part(number, marker, line[len(marker) :]))
        else:
            parts[-1].output.append(line)
    return Transcript(name, header, parts)


class Screen(Protocol):
    """What a transcript is played against."""

    @property
    def greeting(self) -> bytes:
        """What the terminal showed first."""

    def type(self, keys: str) -> str:
        """Sends keys; gives what appeared, each line end a line feed."""

    def later(self) -> str:
        """What appeared without typing."""

    def shown(self, data: bytes) -> str:
        """Received bytes as such text."""


@dataclass(frozen=True, slots=True)
class Step:
    """A part that was played.

    Attributes:
        expected: output of the file, values filled in, wildcards as in the file.
        actual: what appeared, without the echo that was expected.
        has_echo: the typed line came back as its marker says.
        matches: all of it is as the file says.
    """

    part: Part
    expected: list[str]
    actual: list[str]
    has_echo: bool
    matches: bool


def play(
    transcript: Transcript,
    screen: Screen,
    *,
    values: MutableMapping[str, str],
    hooks: Mapping[str, Callable[[str], None]],
) -> Iterator[Step]:
    """Types what the file says, part by part.

    Args:
        transcript: what is played.
        screen: a terminal just opened.
        values: what ``{{name}}`` stands for; named wildcards add theirs.
        hooks: what ``@ name argument`` calls.

    Raises:
        TranscriptError: no such hook or value, or keys that cannot be read.
    """
    for part in transcript.parts:
        try:
            actual, has_echo = _act(part, screen, values, hooks)
            expected = [_filled(line, values, keep_wild=True) for line in part.output]
        except (LookupError, ValueError) as error:
            reason = error.args[0] if error.args else error
            raise TranscriptError(transcript.name, part.line_number, str(reason)) from error
        lines = actual.split("\n")
        matches = len(lines) == len(expected) and all(
            fits(wanted, line, values) for wanted, line in zip(expected, lines, strict=False)
        )
        yield Step(part, expected, lines, has_echo, matches and has_echo)


def _act(
    part: Part,
    screen: Screen,
    values: Mapping[str, str],
    hooks: Mapping[str, Callable[[str], None]],
) -> tuple[str, bool]:
    """The output behind an action, and whether the echo is as marked."""
    argument = _filled(part.argument, values)
    if not part.marker:
        return screen.shown(screen.greeting), True
    if part.marker == "@ ":
        name, _, rest = argument.partition(" ")
        if name not in hooks:
            raise LookupError(f"no hook {name!r}; known: {', '.join(sorted(hooks))}")
        hooks[name](rest)
        return screen.later(), True
    if part.marker == ">~ ":
        return screen.type(codecs.decode(argument, "unicode_escape")), True
    actual = screen.type(argument + "\r")
    echo = ("" if part.marker == ">! " else argument) + "\n"
    return (actual.removeprefix(echo), True) if actual.startswith(echo) else (actual, False)


def _filled(text: str, values: Mapping[str, str], *, keep_wild: bool = False) -> str:
    def fill(found: re.Match[str]) -> str:
        if found[1] and keep_wild:
            return found[0]
        if found[1] or found[2] not in values:
            raise LookupError(f"no value for {found[0]}")
        return values[found[2]]

    return _PLACEHOLDER.sub(fill, text)


def fits(wanted: str, line: str, values: MutableMapping[str, str] | None = None) -> bool:
    """Whether a line is as a line of a file says; named wildcards add to ``values``."""
    if wanted == line:
        return True
    pieces = _PLACEHOLDER.split(wanted)
    if len(pieces) == 1:
        return False
    # Between two pieces of text stand a mark and a name.
    names = pieces[2::3]
    pattern = "(.*?)".join(re.escape(text) for text in pieces[::3])
    found = re.fullmatch(pattern, line)
    if found is None:
        return False
    if values is not None:
        pairs = zip(names, found.groups(), strict=True)
        values.update((name, text) for name, text in pairs if name)
    return True


def masked(text: str, values: Mapping[str, str]) -> str:
    """Output with every value replaced by its placeholder, as a file would have it."""
    for name, value in values.items():
        if value:
            text = text.replace(value, f"{{{{{name}}}}}")
    return text
