"""One terminal session, sans-I/O: received bytes in, bytes for the terminal out.

The console edits the line, runs the command it means, pages the output and carries dialogs. No
exception leaves it: a broken handler is logged with its traceback, the terminal gets the platform's
error text and the next prompt. It holds no thread, no socket and no timer; a line
(`sceplab_devices.lines`) drives it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from sceplab_devices import keys
from sceplab_devices.api import PortEvent
from sceplab_devices.completer import Completer
from sceplab_devices.context import CommandContext
from sceplab_devices.editing import LineEditor
from sceplab_devices.idle import Idle
from sceplab_devices.interpreter import NOTHING_TO_DO, Decision, prompt_of
from sceplab_devices.keys import KeyReader
from sceplab_devices.paging import PagedOutput
from sceplab_devices.running import CommandRun
from sceplab_devices.screen import Screen
from sceplab_devices.session import open_session
from sceplab_devices.steps import Ask, AskKey, Step, WaitFor
from sceplab_devices.typed_line import Gesture, TypedLine
from sceplab_devices.waits import Waits

if TYPE_CHECKING:
    from sceplab_devices.device import Device
    from sceplab_devices.session import LineInfo
    from sceplab_devices.shell import LineSettings

logger = logging.getLogger(__name__)

_HELD_LOG_LINES = 256


class Console:
    """One session on a device. Made by `Device.open_console`.

    Attributes:
        device: the box.
        session: state that handlers see and change.
        on_activity: called when output or a deadline changed outside of `open` and `receive`.
        is_closed: the session is over; the line should send what is left and hang up.
    """

    __slots__ = (
        "_after_paging", "_command", "_editor", "_idle", "_is_opening", "_keys", "_log_lines",
        "_paged", "_screen", "_typed", "_waits", "device", "is_closed", "on_activity", "session",
    )  # fmt: skip

    def __init__(self, device: Device, line: LineInfo, *, user: str = "") -> None:
        self.device = device
        self.on_activity: Callable[[], None] | None = None
        self.is_closed = False
        self.session = open_session(device.profile, line, device.now())
        self.session.user = user
        shell = device.profile.shell
        self._keys = KeyReader(alone=shell.completion_keys)
        self._editor = LineEditor(shell.line_limit)
        self._screen = Screen(shell.newline)
        completer = Completer(shell.completion, self._editor)
        self._typed = TypedLine(self._editor, self._screen, completer, self._candidates)
        self._paged = PagedOutput(self._screen, shell)
        self._waits = Waits.NOTHING
        self._command: CommandRun | None = None
        self._after_paging: Callable[[], None] = self._prompt
        self._log_lines: deque[str] = deque(maxlen=_HELD_LOG_LINES)
        self._idle = Idle(device.now())
        self._is_opening = False
        """The opening dialog has not come to its end: nothing else may give a prompt."""

    # --- what a line calls ----------------------------------------------------------------------

    def open(self) -> bytes:
        """Starts the session; gives what the terminal shows first."""
        self._guarded(self._open)
        return self._screen.take()

    def receive(self, data: bytes) -> bytes:
        """Takes typed bytes, gives what the terminal shows. Call with ``b""`` while `has_input`."""
        if self.is_closed:
            return b""
        self._idle.restart(self.device.now())
        self._keys.feed(data)
        if self._waits is Waits.EVENT:
            if self._keys.take_interrupt():
                self._guarded(self._interrupt)
            self._keys.trim()
        self._pump()
        return self._screen.take()

    @property
    def has_input(self) -> bool:
        """Typed bytes wait only because the output was getting long."""
        return bool(len(self._keys)) and self._screen.is_full_after_take

    @property
    def waits(self) -> Waits:
        """What it waits for; nothing while it has typed bytes to look at."""
        return Waits.NOTHING if len(self._keys) else self._waits

    @property
    def is_asking(self) -> bool:
        """A command has asked the operator something and waits for the answer."""
        return self._waits in (Waits.ANSWER, Waits.KEY) and not self._is_opening

    def take_output(self) -> bytes:
        """What appeared since the last call of any method that gives output."""
        return self._screen.take()

    def next_deadline(self) -> datetime | None:
        """When `tick` wants to be called."""
        deadline = self._command.deadline if self._command else None
        return min((moment for moment in (self._idle_deadline, deadline) if moment), default=None)

    def tick(self, now: datetime) -> None:
        """Ends waits that ran out and sessions idle for too long."""
        if self.is_closed:
            return
        deadline = self._command.deadline if self._command else None
        if self._waits is Waits.EVENT and deadline and now >= deadline:
            self._guarded(lambda: self._advance(None))
            self._pump()
        idle = self._idle_deadline
        if idle and now >= idle:
            self._guarded(self._time_out)
        self._tell()

    @property
    def _idle_deadline(self) -> datetime | None:
        asks = self._is_opening and self._waits is Waits.ANSWER
        return self._idle.deadline(self.session, self._line_settings, asks_login=asks)

    def notify(self, event: PortEvent) -> None:
        """The enrollment engine reported something; a dialog may wait for it."""
        if self._command is None or self.is_closed:
            return
        self._command.keep(event)
        if self._waits is Waits.EVENT:
            self._guarded(self._look_at_events)
            self._pump()
            self._tell()

    def log_line(self, text: str) -> None:
        """Shows an asynchronous line, at once or when the terminal waits for the operator again."""
        if self.is_closed:
            return
        self._log_lines.append(text)
        if self._waits not in (Waits.NOTHING, Waits.MORE):
            self._show_log_lines()
            self._tell()

    def resize(self, columns: int, rows: int) -> None:
        """The terminal told its size; 0 is unknown. Paging that was turned off stays off."""
        if not self.device.profile.shell.fits_window:
            return
        if columns:
            self.session.width = columns
        if rows and self.session.length:
            self.session.length = rows

    def disconnect(self) -> None:
        """The line dropped: ends the dialog, leaves the modes, forgets the session."""
        if not self.is_closed:
            self._guarded(self._abandon)
            self._hang_up()

    # --- driving --------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Handles keys until the console waits for something else."""
        while self._waits is not Waits.EVENT and not self.is_closed and not self._screen.is_full:
            single = self._waits in (Waits.KEY, Waits.MORE) or self._typed.is_literal_next
            key = self._keys.next(single=single)
            if key is None:
                return
            self._guarded(lambda key=key: self._on_key(key))  # type: ignore[misc]

    def _guarded(self, action: Callable[[], None]) -> None:
        """Runs engine or handler; whatever breaks ends the command, not the session."""
        try:
            action()
        except Exception:
            logger.exception("%s %s: command failed", self.device.hostname, self.session.line.name)
            self._recover()

    def _recover(self) -> None:
        command = self._command
        self._drop_command()
        self._paged.drop()
        if self._is_opening:
            self._hang_up()
            return
        try:
            if command:
                self._screen.write(command.context.take_output())
            self._screen.write(self.device.profile.error("internal") + "\n")
            self._prompt()
        except Exception:
            logger.exception("%s %s: no prompt", self.device.hostname, self.session.line.name)
            self._hang_up()

    def _tell(self) -> None:
        if self.on_activity:
            self.on_activity()

    # --- keys -----------------------------------------------------------------------------------

    def _on_key(self, key: str) -> None:
        if self._waits is Waits.MORE:
            self._go_on(is_waiting=self._paged.answer(key, self.session.length))
        elif self._waits is Waits.KEY:
            self._on_single_key(key)
        else:
            self._on_line_key(key)

    def _on_line_key(self, key: str) -> None:
        """A key while a command or an answer is being typed."""
        completing = self.device.profile.shell.completion_keys
        if not self.session.completes_on_blank:
            completing = tuple(one for one in completing if one != " ")
        is_command = self._waits is Waits.COMMAND
        gesture = self._typed.press(key, is_command=is_command, completion_keys=completing)
        if gesture:
            _GESTURES[gesture](self)

    def _on_enter(self) -> None:
        text = self._editor.text
        self._screen.echo("\n")
        self._paged.restart()
        if self._waits is Waits.ANSWER:
            self._advance(text)
        else:
            self._run(text)

    def _on_suspend(self) -> None:
        """Ctrl-Z: carries out what was typed, then leaves every mode. A question: as Ctrl-C."""
        self._screen.echo("^Z\n")
        if self._waits is Waits.ANSWER:
            self._interrupt()
            return
        ends_modes = self.device.profile.shell.suspend_ends_modes
        self._run(self._editor.text, ends_modes=ends_modes)

    def _on_interrupt(self) -> None:
        self._screen.echo("^C\n")
        self._interrupt()

    def _on_redraw(self) -> None:
        self._screen.echo("\n")
        self._retype()

    def _on_help(self) -> None:
        typed = self._editor.text[: self._editor.cursor]
        self._screen.echo("?\n")
        self._paged.restart()
        language = self.device.profile.language
        self._page(language.help_text(self.device, self.session, typed), self._retype)

    def _candidates(self, typed: str) -> list[str]:
        return self.device.profile.language.complete(self.device, self.session, typed)

    def _on_single_key(self, key: str) -> None:
        step = self._step
        assert isinstance(step, AskKey)
        if key in (keys.INTERRUPT, keys.SUSPEND):
            self._screen.echo("\n")
            self._interrupt()
            return
        char = "\n" if key == keys.ENTER else key
        if (step.keys and char not in step.keys) or not (char == "\n" or char.isprintable()):
            return
        if step.echo:
            self._screen.echo(char if char == "\n" else char + "\n")
        self._paged.restart()
        self._advance(char)

    def _retype(self) -> None:
        """Shows the prompt or question and the typed line again."""
        self._write_prompt_again()
        if self._command is None:
            self._rest(Waits.COMMAND)

    # --- commands and dialogs -------------------------------------------------------------------

    def _run(self, text: str, *, ends_modes: bool = False) -> None:
        """Carries out a typed line."""
        if not self.session.mode.raw:
            self._editor.remember(text, self.session.history_size)
        decision = self.device.profile.language.interpret(self.device, self.session, text)
        self._start(
            CommandRun(self.device, self.session, decision, line=text, ends_modes=ends_modes)
        )

    def _start(self, command: CommandRun) -> None:
        self._waits = Waits.NOTHING
        self._command = command
        command.start()
        self._show(command)

    def _advance(self, value: str | PortEvent | None) -> None:
        """Gives the command what it waited for."""
        self._waits = Waits.NOTHING
        command = self._command
        assert command is not None, "a command is running"
        command.advance(value)
        self._show(command)

    def _show(self, command: CommandRun) -> None:
        self._page(command.take_output(), self._begin_step if command.step else self._finish)

    def _begin_step(self) -> None:
        step = self._step
        if isinstance(step, WaitFor):
            self._rest(Waits.EVENT)
            self._look_at_events()
            if self._waits is Waits.EVENT and self._keys.take_interrupt():
                self._interrupt()
            return
        assert isinstance(step, Ask | AskKey), f"handlers yield steps, not {step!r}"
        self._screen.write(step.prompt)
        is_hidden = isinstance(step, Ask) and not step.echo
        self._editor.begin(mask=step.mask if isinstance(step, Ask) and is_hidden else None)
        self._rest(Waits.ANSWER if isinstance(step, Ask) else Waits.KEY)

    @property
    def _step(self) -> Step | None:
        return self._command.step if self._command else None

    def _look_at_events(self) -> None:
        event = self._command.awaited_event() if self._command else None
        if event is not None:
            self._advance(event)

    def _interrupt(self) -> None:
        """Ctrl-C: ends the dialog, or leaves the modes above the base mode."""
        command = self._command
        self._waits = Waits.NOTHING
        self._drop_command()
        if self._is_opening:
            self._end_session()
            return
        ends_modes = command is None and self.device.profile.shell.interrupt_ends_modes
        self._command = CommandRun(self.device, self.session, NOTHING_TO_DO, ends_modes=ends_modes)
        self._finish()

    def _finish(self) -> None:
        """The command is over."""
        self._is_opening = False
        command = self._command
        assert command is not None, "a command is running"
        self._drop_command()
        if command.ends_modes:
            command.context.end()
        self._screen.write(command.context.take_output())
        if command.context.is_closing:
            self._end_session()
        else:
            self._prompt()

    def _drop_command(self) -> None:
        command, self._command = self._command, None
        if command:
            command.close()

    # --- output ---------------------------------------------------------------------------------

    def _page(self, text: str, then: Callable[[], None]) -> None:
        """Writes ``text``, asking for more where the page ends, then goes on with ``then``."""
        self._waits = Waits.NOTHING
        self._after_paging = then
        pages = self._command is None or self._command.pages
        self._go_on(is_waiting=self._paged.show(text, self.session.length if pages else 0))

    def _go_on(self, *, is_waiting: bool) -> None:
        """Waits for the key that brings up the next page, or does what comes after the last."""
        if is_waiting:
            self._waits = Waits.MORE
        else:
            self._after_paging()

    def _prompt(self) -> None:
        self._screen.start_line()
        self._screen.write(prompt_of(self.device, self.session))
        self._editor.begin()
        self._rest(Waits.COMMAND)

    def _rest(self, waits: Waits) -> None:
        self._waits = waits
        self._show_log_lines()

    def _show_log_lines(self) -> None:
        if not self._log_lines or self._screen.is_full:
            return
        if isinstance(self._step, WaitFor) and self._step.holds_log:
            return
        self._screen.start_line()
        while self._log_lines:
            self._screen.write(self._log_lines.popleft() + "\n")
        if self.session.synchronous and self._waits is not Waits.EVENT:
            self._write_prompt_again()

    def _write_prompt_again(self) -> None:
        step = self._step
        prompt = (
            step.prompt if isinstance(step, Ask | AskKey) else prompt_of(self.device, self.session)
        )
        self._screen.write(prompt)
        self._screen.echo(self._editor.redraw())

    # --- session --------------------------------------------------------------------------------

    def _open(self) -> None:
        self._is_opening = True
        self._editor.use_history(self.session.history)
        opening = Decision(handler=self._line_settings.opening)
        self._start(CommandRun(self.device, self.session, opening))

    @property
    def _line_settings(self) -> LineSettings:
        return self.device.profile.lines[self.session.line.kind]

    def _time_out(self) -> None:
        step = self._step if self._is_opening else None
        key = "login.timeout" if isinstance(step, Ask) else "login.idle_timeout"
        text = self.device.profile.text(key, prompt=step.prompt if isinstance(step, Ask) else "")
        if text:
            self._screen.start_line()
            self._screen.write(text)
        self._end_session()

    def _abandon(self) -> None:
        """Ends dialog and modes without a word to the terminal."""
        self._drop_command()
        CommandContext(self.device, self.session).end()
        self.device.release_configuration(self.session)

    def _end_session(self) -> None:
        self._abandon()
        if self._line_settings.closing == "close":
            self._hang_up()
            return
        self.session = open_session(self.device.profile, self.session.line, self.device.now())
        self._idle.restart(self.device.now())
        self._open()

    def _hang_up(self) -> None:
        self.is_closed = True
        self._waits = Waits.NOTHING
        self.device.forget_console(self)


_GESTURES: dict[Gesture, Callable[[Console], None]] = {
    Gesture.ENTER: Console._on_enter,
    Gesture.INTERRUPT: Console._on_interrupt,
    Gesture.SUSPEND: Console._on_suspend,
    Gesture.HELP: Console._on_help,
    Gesture.REDRAW: Console._on_redraw,
}
