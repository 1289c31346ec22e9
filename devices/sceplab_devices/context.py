"""What a command handler gets: the parsed line, the device, the session, and ways to answer.

A handler is ``handler(ctx) -> None``, or a generator function that yields `steps` (``-> Dialog``).
It never raises for bad input: it prints what the device prints and returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from sceplab_devices.interpreter import incomplete_input, invalid_input
from sceplab_devices.modes import ModeFrame
from sceplab_devices.steps import Dialog

if TYPE_CHECKING:
    from sceplab_devices.device import Device
    from sceplab_devices.grammar import Match
    from sceplab_devices.session import Session

DeviceT_co = TypeVar("DeviceT_co", bound="Device", covariant=True)

OUTPUT_LIMIT_CHARS = 4 * 1024 * 1024
"""More output of one command than this is cut off."""


class CommandContext(Generic[DeviceT_co]):
    """One command being carried out.

    Attributes:
        device: the box, shared by all its sessions.
        session: this terminal.
        line: the line as typed, an output filter included.
        args: text of each ``<name:kind>`` parameter that was typed, by name. Optional ones may be
            missing: use ``get``. Numbers are text too, already checked for their range.
        words: the command in full, keywords expanded and in lower case, parameters as typed;
            ``no``, ``default`` and ``do`` are not among them.
        negated: the line began with ``no``.
        default: the line began with ``default``.
        options: the command entry's ``options`` table.
    """

    __slots__ = (
        "_closing",
        "_match",
        "_output",
        "_room",
        "args",
        "default",
        "device",
        "line",
        "negated",
        "options",
        "session",
        "words",
    )

    def __init__(
        self, device: DeviceT_co, session: Session, *, line: str = "", match: Match | None = None
    ) -> None:
        self.device = device
        self.session = session
        self.line = line
        self.args: Mapping[str, str] = match.args if match else {}
        self.words: tuple[str, ...] = match.words if match else ()
        self.negated = match.form.negated if match else False
        self.default = match.form.default if match else False
        self.options: Mapping[str, Any] = match.form.command.options if match else {}
        self._match = match
        self._output: list[str] = []
        self._room = OUTPUT_LIMIT_CHARS
        self._closing = False

    def has(self, keyword: str) -> bool:
        """Whether this (optional) keyword was typed, abbreviated or not."""
        return self._match is not None and keyword in self._match.keywords

    # --- output -------------------------------------------------------------------------------

    def write(self, text: str = "") -> None:
        r"""Prints ``text`` and a line end. ``\n`` inside starts a new line."""
        self._put(text + "\n")

    def write_partial(self, text: str) -> None:
        """Prints ``text`` and stays on the line."""
        self._put(text)

    def text(self, key: str, **values: object) -> str:
        """A text of ``[texts]`` (dotted key) with its ``{placeholders}`` filled in."""
        return self.device.profile.text(key, **values)

    def say(self, key: str, **values: object) -> None:
        """Prints a text of the profile, see `text`."""
        self.write(self.text(key, **values))

    def reject(self, parameter: str = "") -> None:
        """Prints the invalid-input error, marker under ``parameter`` (else the last word)."""
        match = self._match
        offset = match.offset_of(parameter) if match else 0
        self.write(invalid_input(self.device, self.session, self.line, offset))

    def incomplete(self) -> None:
        """Prints the incomplete-command error."""
        self.write(incomplete_input(self.device, self.session, self.line))

    # --- modes and session --------------------------------------------------------------------

    def enter_mode(self, mode_id: str, **values: str) -> None:
        """Opens a mode; ``values`` fill its prompt and are `Session.mode_values`."""
        mode = self.device.profile.modes[mode_id]
        self.session.frames.append(ModeFrame(mode, values))

    def leave_mode(self) -> bool:
        """Closes the present mode. False (and nothing happens) in the base mode."""
        frames = self.session.frames
        if len(frames) == 1:
            return False
        frame = frames.pop()
        if frame.mode.on_leave:
            self.device.profile.leave_handlers[frame.mode.on_leave](self, frame.values)
        return True

    def end(self) -> None:
        """Closes every mode above the base mode."""
        while self.leave_mode():
            pass

    def close(self) -> None:
        """Ends the session after this command: closes the line or shows the idle screen."""
        self._closing = True

    # --- engine side --------------------------------------------------------------------------

    def take_output(self) -> str:
        """Engine: what was written since the last call."""
        text = "".join(self._output)
        self._output.clear()
        return text

    @property
    def is_closing(self) -> bool:
        """Engine: `close` was called."""
        return self._closing

    def _put(self, text: str) -> None:
        if self._room > 0:
            self._output.append(text[: self._room])
            self._room -= len(text)


Handler: TypeAlias = Callable[[CommandContext[Any]], "Dialog | None"]
