"""A console line on a terminal device: there is one session on it for as long as the box is on."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines.sessions import Sessions

if TYPE_CHECKING:
    from sceplab_devices.device import Device
    from sceplab_devices.lines.endpoint import Endpoint
    from sceplab_devices.lines.link import Link
    from sceplab_devices.lines.terminal_port import TerminalPort

logger = logging.getLogger(__name__)

_READ_BYTES = 4096
_BACKLOG_BYTES = 16 * 1024
"""With so much unsent output the console takes no keys."""
NOBODY_READS_S = 5.0
"""Output that nobody takes for so long is lost: there is no terminal at the other end."""
_CARRIER_LOOK_S = 0.25
_SENDING_LOOK_S = 0.01
_SETTLING_S = 0.1
_SENDING_LIMIT_S = 2.0


class SerialLine:
    """A line on a pseudo-terminal or a real port; see `Line`.

    Args:
        endpoint: where.
        port: the terminal device.
        baud: software speed; 0: the device's own.
        nobody_reads_s: seconds after which unread output is given up.
    """

    is_loopback = True
    """No network reaches it."""

    def __init__(
        self,
        endpoint: Endpoint,
        port: TerminalPort,
        *,
        baud: int,
        nobody_reads_s: float = NOBODY_READS_S,
    ) -> None:
        self.endpoint = endpoint
        self._port = port
        self._baud = baud
        self._nobody_reads_s = nobody_reads_s
        self._sessions = Sessions(endpoint.kind, endpoint.options)
        self._device: Device | None = None
        self._link: Link | None = None
        self._fd: int | None = None
        self._unsent = bytearray()
        self._is_at_line_start = True
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._had_carrier: bool | None = None

    # --- the line -------------------------------------------------------------------------------

    async def bind(self) -> None:
        """Opens the terminal device; what is typed waits there.

        Raises:
            EndpointError: it cannot be had; the text says what to do.
        """
        self._fd = self._port.open()

    async def serve(self, device: Device) -> None:
        """Begins the session of ``device``.

        Raises:
            EndpointError: its platform has no further console.
        """
        assert self._fd is not None, "bind comes first"
        self._device = device
        if not self._begin_session():
            raise EndpointError(str(self.endpoint), "the device has no further console line")
        asyncio.get_running_loop().add_reader(self._fd, self._on_readable)
        self._look_at_carrier()
        logger.info("%s is on %s", device.hostname, self.endpoint)

    def swap(self, device: Device | None) -> None:
        """Ends the session; that of ``device`` begins with its opening."""
        self._end_session()
        self._device = device
        self._begin_session()

    async def close(self) -> None:
        """Ends the session and gives the terminal device back."""
        self._end_session()
        self._device = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._release()

    # --- what the link calls --------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends, or keeps until the other end reads."""
        if self._fd is None or not data:
            return
        self._is_at_line_start = data.endswith(b"\n")
        if not self._unsent:
            data = data[self._write_some(data) :]
        if data and self._fd is not None:
            if not self._unsent:
                asyncio.get_running_loop().add_writer(self._fd, self._on_writable)
                self._later("unread", self._nobody_reads_s, self._give_up_unread)
            self._unsent += data
            if self._link and len(self._unsent) > _BACKLOG_BYTES:
                self._link.blocked()

    def pause_reading(self) -> None:
        """What is typed waits in the terminal device."""
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Ends `pause_reading`."""
        if self._fd is not None:
            asyncio.get_running_loop().add_reader(self._fd, self._on_readable)

    def finish(self) -> None:
        """The session is over; a serial line begins another one."""
        self._end_session()
        self._begin_session()

    def drop_carrier(self) -> None:
        """Hangs up once everything is read, and comes back with a new session."""
        self._end_session()
        deadline = asyncio.get_running_loop().time() + _SENDING_LIMIT_S
        # The system counts unread bytes only once it has carried them to the other end.
        self._later("hang-up", _SETTLING_S, lambda: self._hang_up_when_read(deadline))

    # --- bytes ----------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        assert self._fd is not None, "it is watched while it is open"
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose_port(error.strerror or str(error))
            return
        if not data:
            self._lose_port("it hung up")
        elif self._link:
            self._link.received(data)

    def _write_some(self, data: bytes | bytearray) -> int:
        assert self._fd is not None, "it is written to while it is open"
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._lose_port(error.strerror or str(error))
            return len(data)

    def _on_writable(self) -> None:
        sent = self._write_some(self._unsent)
        del self._unsent[:sent]
        if self._fd is None:
            return
        if self._unsent:
            self._later("unread", self._nobody_reads_s, self._give_up_unread)
        else:
            self._all_sent()

    def _give_up_unread(self) -> None:
        self._unsent.clear()
        self._port.discard_unread()
        self._all_sent()

    def _all_sent(self) -> None:
        if self._fd is not None:
            asyncio.get_running_loop().remove_writer(self._fd)
        if "unread" in self._timers:
            self._timers.pop("unread").cancel()
        if self._link:
            self._link.unblocked()

    # --- sessions and the port ------------------------------------------------------------------

    def _begin_session(self) -> bool:
        """Gives false when the device has no line free."""
        if self._device is None or self._fd is None:
            return True
        self._link = self._sessions.open(self._device, self, baud=self._baud)
        if self._link is None:
            logger.error("%s: the device has no further console line", self.endpoint)
            return False
        if not self._is_at_line_start:
            self.write(b"\r\n")  # behind the last prompt of the session before
        self._link.open()
        return True

    def _end_session(self) -> None:
        link, self._link = self._link, None
        if link:
            link.lost()
            self.resume_reading()

    def _lose_port(self, reason: str) -> None:
        """The port is gone (unplugged); it is looked for until it is back."""
        logger.warning("%s: lost: %s", self.endpoint, reason)
        self._end_session()
        self._release()
        self._later("redial", self._port.redial_s, self._redial)

    def _redial(self) -> None:
        try:
            self._fd = self._port.open()
        except EndpointError:
            self._later("redial", self._port.redial_s, self._redial)
            return
        self._had_carrier = None
        self.resume_reading()
        self._begin_session()

    def _release(self) -> None:
        if self._fd is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
        self._unsent.clear()
        self._is_at_line_start = True
        self._fd = None
        self._port.close()

    def _hang_up_when_read(self, deadline: float) -> None:
        waits = self._unsent or self._port.unread_bytes()
        if waits and asyncio.get_running_loop().time() < deadline:
            self._later("hang-up", _SENDING_LOOK_S, lambda: self._hang_up_when_read(deadline))
            return
        self._release()
        self._later("redial", self._port.redial_s, self._redial)

    def _look_at_carrier(self) -> None:
        """A carrier that goes away ends the session; a port without one is taken as it is."""
        has_carrier = self._port.has_carrier() if self._fd is not None else None
        if self._had_carrier and has_carrier is False and self._link:
            self._is_at_line_start = True  # the next terminal is another one
            self.finish()
        self._had_carrier = has_carrier
        if has_carrier is not None or self._fd is None:  # it may tell when it is back
            self._later("carrier", _CARRIER_LOOK_S, self._look_at_carrier)

    def _later(self, name: str, wait_s: float, action: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = asyncio.get_running_loop().call_later(wait_s, action)
