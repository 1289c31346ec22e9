"""One session: moves bytes between a wire and a console, and wakes the console in time.

There is no task and no thread behind a link. Everything happens in the callbacks of the event loop:
bytes arrive, the wire takes bytes again, a deadline is due, the console has something to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from sceplab_devices.lines.pacing import PacedQueue
from sceplab_devices.lines.raw import RAW
from sceplab_devices.waits import Waits

if TYPE_CHECKING:
    from sceplab_devices.console import Console
    from sceplab_devices.device import Device
    from sceplab_devices.lines.faults import SessionFaults
    from sceplab_devices.lines.wire import LineCodec, Wire
    from sceplab_devices.session import LineInfo

_SHORTEST_WAIT_S = 0.01
_PACED_BACKLOG_BYTES = 1024
"""A paced line that is this far behind takes no keys until it caught up."""


class Link:
    """A console on a wire, from connect to hang-up.

    Attributes:
        console: the session.
        is_over: the console ended, or the line dropped it.
    """

    __slots__ = (
        "_codec", "_ends_when_idle", "_ends_without_keys", "_faults", "_inlet", "_is_blocked",
        "_is_held", "_outlet", "_timer", "_wakes", "_wire", "console", "is_over",
    )  # fmt: skip

    def __init__(
        self,
        device: Device,
        line: LineInfo,
        wire: Wire,
        *,
        make_codec: Callable[[Console], LineCodec] | None = None,
        faults: SessionFaults | None = None,
        user: str = "",
    ) -> None:
        self.console = device.open_console(line, user=user)
        self.is_over = False
        self._wire = wire
        self._codec: LineCodec = make_codec(self.console) if make_codec else RAW
        self._faults = faults
        self._outlet: PacedQueue | None = None
        self._inlet: PacedQueue | None = None
        self._ends_when_idle = False
        self._ends_without_keys = False
        self._is_blocked = False
        self._is_held = False
        self._wakes: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def pace(self, *, baud: int, delay_s: float = 0.0) -> None:
        """Bytes come and go at a speed from now on, and go out late; see `PacedQueue`."""
        if self._outlet and self._inlet:
            self._outlet.baud = self._inlet.baud = baud
        elif baud or delay_s:
            self._outlet = PacedQueue(self._let_out, baud=baud, delay_s=delay_s)
            self._inlet = PacedQueue(self._take, baud=baud)

    # --- what the wire calls --------------------------------------------------------------------

    def open(self) -> None:
        """Sends what the terminal sees first."""
        self._wire.write(self._codec.opening())
        self.console.on_activity = self._on_activity
        self._send(self.console.open())
        self._go_on()

    def received(self, data: bytes) -> None:
        """Bytes arrived."""
        if self.is_over:
            return
        typed, answer = self._codec.decode(data)
        if answer:
            self._wire.write(answer)
        if self._inlet:
            self._inlet.put(typed)
            self._hold_or_resume()
        elif typed:
            self._take(typed)

    def blocked(self) -> None:
        """The other side does not take what was written."""
        self._is_blocked = True
        if self._outlet:
            self._outlet.hold(held=True)
        self._hold_or_resume()

    def unblocked(self) -> None:
        """It does again."""
        self._is_blocked = False
        if self._outlet:
            self._outlet.hold(held=False)
        if not self.is_over:
            self._send_waiting()
        self._go_on()

    def end_when_idle(self) -> None:
        """One command was all: hangs up at the first prompt after everything typed so far."""
        self._ends_when_idle = True
        self._go_on()

    def end_of_keys(self) -> None:
        """Nobody types any more: hangs up when nothing more happens by itself."""
        self._ends_without_keys = True
        self._go_on()

    def lost(self) -> None:
        """The other side is gone, or the box is off: nothing is sent any more."""
        self.is_over = True
        self.console.on_activity = None
        self.console.disconnect()
        for waiting in (self._timer, self._wakes):
            if waiting:
                waiting.cancel()
        for queue in (self._outlet, self._inlet):
            if queue:
                queue.clear()

    # --- bytes ----------------------------------------------------------------------------------

    def _take(self, typed: bytes) -> None:
        """Gives the console what was typed."""
        if self.is_over:
            return
        if self._faults:
            typed = self._faults.incoming(typed)
        self._send(self.console.receive(typed))
        self._go_on()

    def _send(self, data: bytes) -> None:
        if self._faults:
            data = self._faults.outgoing(data)
            if self.console.is_asking:
                self._faults.question_is_open()
        if not data:
            return
        data = self._codec.encode(data)
        if self._outlet:
            self._outlet.put(data)
        else:
            self._wire.write(data)

    def _send_waiting(self) -> None:
        """What the console has to say without a new key, and of keys that waited."""
        console = self.console
        self._send(console.receive(b"") if console.has_input else console.take_output())

    def _let_out(self, data: bytes) -> None:
        self._wire.write(data)
        if self._outlet and not self._outlet.size and self._wakes is None:
            self._wakes = asyncio.get_running_loop().call_soon(self._wake)

    # --- what comes next ------------------------------------------------------------------------

    def _go_on(self) -> None:
        """After anything that happened: ends, waits or carries on."""
        is_lost = self._faults is not None and self._faults.is_carrier_lost
        if self.console.is_closed or is_lost or self._is_done:
            self._end()
            return
        self._set_timer()
        self._hold_or_resume()
        if self.console.has_input and not self._is_behind and self._wakes is None:
            # Not at once: a long paste on one line must not keep the others waiting.
            self._wakes = asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._wakes = None
        if self.is_over:
            self._hang_up_when_sent()
            return
        if not self._is_behind:
            self._send_waiting()
        self._go_on()

    @property
    def _is_done(self) -> bool:
        """What the other side wanted has come to its end."""
        if self._inlet and self._inlet.size:
            return False
        waits = self.console.waits
        if self._ends_without_keys and waits not in (Waits.EVENT, Waits.NOTHING):
            return True
        return self._ends_when_idle and waits is Waits.COMMAND

    @property
    def _is_behind(self) -> bool:
        """Output waits for the wire; more keys would only make more of it."""
        return self._is_blocked or bool(self._outlet and self._outlet.size > _PACED_BACKLOG_BYTES)

    def _hold_or_resume(self) -> None:
        is_full = bool(self._inlet and self._inlet.size > _PACED_BACKLOG_BYTES)
        holds = self._is_behind or self.console.has_input or is_full
        if holds != self._is_held and not self.is_over:
            self._is_held = holds
            if holds:
                self._wire.pause_reading()
            else:
                self._wire.resume_reading()

    def _end(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.console.on_activity = None
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self.console.disconnect()
        self._hang_up_when_sent()

    def _hang_up_when_sent(self) -> None:
        if self._outlet and self._outlet.size:
            return  # asked again when the last byte has left
        if self._faults and self._faults.is_carrier_lost:
            self._wire.drop_carrier()
        else:
            self._wire.finish()

    # --- time -----------------------------------------------------------------------------------

    def _on_activity(self) -> None:
        """The console has something to say, or to wait for, that no key caused."""
        if not self._is_behind:
            self._send_waiting()
        self._go_on()

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        deadline = self.console.next_deadline()
        if deadline is not None:
            # The device's clock may stand still or be moved; then this only looks again later.
            now = self.console.device.now()
            wait_s = max((deadline - now).total_seconds(), _SHORTEST_WAIT_S)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.console.tick(self.console.device.now())
        if not self.is_over and self._timer is None:
            self._set_timer()
