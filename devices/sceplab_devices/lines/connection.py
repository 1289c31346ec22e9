"""One connection: moves bytes between a socket and a console, and wakes the console in time."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from sceplab_devices.lines.tcp import RawCodec
from sceplab_devices.lines.telnet import TelnetCodec

if TYPE_CHECKING:
    from datetime import datetime

    from sceplab_devices.device import Device
    from sceplab_devices.session import LineInfo

logger = logging.getLogger(__name__)

READ_BYTES = 4096
STUCK_BYTES = 1024 * 1024
"""A peer that leaves this much unread gets no asynchronous lines until it reads again."""
_SHORTEST_WAIT_S = 0.01


class LineCodec(Protocol):
    """What a kind of line does to the bytes of a console."""

    def opening(self) -> bytes:
        """What is sent before the console's own text."""

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Typed bytes, and what to answer at once."""

    def encode(self, data: bytes) -> bytes:
        """Bytes of the console, as they go out."""


class Connection:
    """A console on a socket, from connect to hang-up."""

    def __init__(
        self,
        device: Device,
        line: LineInfo,
        kind: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._device = device
        self._reader = reader
        self._writer = writer
        self._console = device.open_console(line)
        self._codec: LineCodec = (
            TelnetCodec(self._console.resize) if kind == "telnet" else RawCodec()
        )
        self._timer: asyncio.TimerHandle | None = None
        self._timer_for: datetime | None = None

    async def run(self) -> None:
        """Serves the connection until either side ends it."""
        console = self._console
        try:
            self._writer.write(self._codec.opening())
            self._send(console.open())
            console.on_activity = self._on_activity
            await self._converse()
            await self._writer.drain()
        except OSError as error:
            logger.debug("%s: %s", console.session.line.name, error)
        finally:
            console.on_activity = None
            console.disconnect()
            if self._timer:
                self._timer.cancel()
            await self._hang_up()

    async def _converse(self) -> None:
        console = self._console
        while not console.is_closed:
            self._set_timer()
            data = await self._reader.read(READ_BYTES)
            if not data:
                return
            typed, answer = self._codec.decode(data)
            self._writer.write(answer)
            self._send(console.receive(typed))
            await self._writer.drain()
            while console.has_input:
                self._send(console.receive(b""))
                await self._writer.drain()

    async def _hang_up(self) -> None:
        self._writer.close()
        task = asyncio.current_task()
        if task and task.cancelling():
            self._writer.transport.abort()
        try:
            await self._writer.wait_closed()
        except OSError:
            logger.debug("%s: the peer was gone first", self._console.session.line.name)
        except asyncio.CancelledError:
            # Closing the line does not wait for a peer that does not read.
            self._writer.transport.abort()
            raise

    def _send(self, data: bytes) -> None:
        if data:
            self._writer.write(self._codec.encode(data))

    def _on_activity(self) -> None:
        """The console has something to say, or to wait for, that no key caused."""
        if self._writer.transport.get_write_buffer_size() < STUCK_BYTES:
            self._send(self._console.take_output())
        if self._console.is_closed:
            self._writer.close()
        else:
            self._set_timer()

    def _set_timer(self) -> None:
        deadline = self._console.next_deadline()
        if deadline == self._timer_for and self._timer:
            return
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._timer_for = deadline
        if deadline is not None:
            # The device's clock may stand still or be moved; then this only looks again later.
            wait_s = max((deadline - self._device.now()).total_seconds(), _SHORTEST_WAIT_S)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._console.tick(self._device.now())
