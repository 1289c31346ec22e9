"""Wakes a device and its enrollment engine at their deadlines, on a clock that may be moved."""

from __future__ import annotations

import asyncio
from datetime import datetime

from sceplab_devices.device import Device
from sceplab_lab.clock import LabClock
from sceplab_lab.device_port import AgentPort

_LONGEST_S = 60.0
"""Wall clocks jump: nobody sleeps longer in one go."""


class Alarm:
    """One timer of the event loop for all deadlines of one device.

    Args:
        clock: the device's time.
        port: its enrollment engine.
        device: has deadlines of its own; its consoles look at theirs when the clock was moved.
    """

    def __init__(self, clock: LabClock, port: AgentPort, device: Device) -> None:
        self._clock = clock
        self._port = port
        self._device = device
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._changed = asyncio.Event()
        port.on_change = self._set
        self._leave_clock = clock.on_move(self._moved)

    def is_due(self) -> bool:
        """Whether a deadline has come that is not served yet."""
        deadline = self._next_deadline()
        return deadline is not None and deadline <= self._clock()

    async def wait_for_change(self) -> None:
        """Returns when the engine has done something."""
        self._changed.clear()
        await self._changed.wait()

    def close(self) -> None:
        """Wakes nobody any more."""
        self._is_closed = True
        self._leave_clock()
        if self._handle is not None:
            self._handle.cancel()

    def _moved(self) -> None:
        self._device.tick(self._clock())
        self._set()

    def _set(self) -> None:
        self._changed.set()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        deadline = None if self._is_closed else self._next_deadline()
        if deadline is None:
            return
        seconds = self._clock.seconds_until(deadline)
        if seconds is not None:
            self._handle = self._loop.call_later(min(seconds, _LONGEST_S), self._ring)

    def _next_deadline(self) -> datetime | None:
        deadlines = (self._port.next_deadline(), self._device.next_deadline())
        return min((one for one in deadlines if one is not None), default=None)

    def _ring(self) -> None:
        self._port.tick()
        now, due = self._clock(), self._device.next_deadline()
        if due is not None and due <= now:
            self._device.on_deadline(now)
        self._set()
