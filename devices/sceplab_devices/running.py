"""One command from start to end: its handler, the step it waits at, the events meanwhile."""

from __future__ import annotations

import logging
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sceplab_devices.context import CommandContext
from sceplab_devices.interpreter import Decision
from sceplab_devices.steps import Dialog, Step, WaitFor

if TYPE_CHECKING:
    from sceplab_devices.api import PortEvent
    from sceplab_devices.device import Device
    from sceplab_devices.session import Session

logger = logging.getLogger(__name__)

_HELD_EVENTS = 64


class CommandRun:
    """A command being carried out. Whatever its handler raises comes out of `start` and `advance`.

    Attributes:
        context: what the handler got.
        step: what it waits for; ``None``: it is done.
        deadline: when a `WaitFor` ends by itself.
        ends_modes: leave every mode afterwards.
    """

    __slots__ = ("_decision", "_dialog", "_events", "context", "deadline", "ends_modes", "step")

    def __init__(
        self,
        device: Device,
        session: Session,
        decision: Decision,
        *,
        line: str = "",
        ends_modes: bool = False,
    ) -> None:
        self.context = CommandContext(device, session, line=line, match=decision.match)
        self.step: Step | None = None
        self.deadline: datetime | None = None
        self.ends_modes = ends_modes
        self._decision = decision
        self._dialog: Dialog | None = None
        self._events: deque[PortEvent] = deque(maxlen=_HELD_EVENTS)

    def start(self) -> None:
        """Runs the handler to its first step or its end."""
        if self._decision.error:
            self.context.write(self._decision.error)
        elif self._decision.handler:
            self._leave_modes()
            handler = self.context.device.profile.handlers[self._decision.handler]
            self._dialog = handler(self.context)
        self.advance(None)

    def advance(self, value: str | PortEvent | None) -> None:
        """Gives the handler what it waited for; runs it to its next step or its end."""
        self.step = None
        self.deadline = None
        if self._dialog is None:
            return
        try:
            self.step = self._dialog.send(value)
        except StopIteration:
            self._dialog = None
        if isinstance(self.step, WaitFor):
            self.deadline = self.context.device.now() + timedelta(seconds=self.step.timeout_s)

    def take_output(self) -> str:
        """What the handler wrote; the output filter applies to what it wrote last."""
        text = self.context.take_output()
        chosen = self._decision.filter
        if chosen is None or self.step is not None:
            return text
        lines = chosen.apply(text.removesuffix("\n").split("\n") if text else [])
        return "".join(f"{line}\n" for line in lines)

    @property
    def pages(self) -> bool:
        """Whether its output stops where a page ends."""
        return self._decision.filter is None or self._decision.filter.pages

    def keep(self, event: PortEvent) -> None:
        """The enrollment engine reported something."""
        self._events.append(event)

    def awaited_event(self) -> PortEvent | None:
        """The first event that the present `WaitFor` accepts; those before it are skipped."""
        assert isinstance(self.step, WaitFor)
        while self._events:
            event = self._events.popleft()
            if self.step.match(event):
                return event
        return None

    def close(self) -> None:
        """Ends the handler where it waits."""
        dialog, self._dialog = self._dialog, None
        if dialog is None:
            return
        try:
            dialog.close()
        except Exception:
            logger.exception("%s: clean-up of a command failed", self.context.device.hostname)

    def _leave_modes(self) -> None:
        """Leaves the modes above the one whose command it is."""
        home = self._decision.mode
        session = self.context.session
        if home is None or home is session.mode:
            return
        if not any(frame.mode is home for frame in session.frames):
            self.context.leave_mode()
            return
        while session.mode is not home:
            self.context.leave_mode()
