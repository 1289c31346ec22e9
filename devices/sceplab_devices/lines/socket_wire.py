"""One TCP connection as a wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from sceplab_devices.lines.link import Link

READ_BYTES = 4096
_received = bytearray(READ_BYTES)
"""Where the socket's bytes land, for all connections of the process: what arrived is taken before
the event loop reads the next socket."""


class SocketWire(asyncio.BufferedProtocol):
    """A connection, from accept to loss.

    Args:
        accept: gives the link for it and the peer's address; ``None``: nobody is there.
        forget: called when the connection is gone.
    """

    __slots__ = ("_accept", "_forget", "_gone", "_link", "_transport")

    def __init__(
        self,
        accept: Callable[[SocketWire, str], Link | None],
        forget: Callable[[SocketWire], None],
    ) -> None:
        self._accept = accept
        self._forget = forget
        self._link: Link | None = None
        self._gone: asyncio.Future[None] | None = None

    # --- what asyncio calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._link = self._accept(self, peer[0] if peer else "")
        if self._link is None:
            self._transport.close()
        else:
            self._link.open()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where to put what arrives next."""
        return _received

    def buffer_updated(self, nbytes: int) -> None:
        """So much arrived."""
        if self._link:
            self._link.received(bytes(memoryview(_received)[:nbytes]))

    def eof_received(self) -> bool:
        """The client will not type any more: that is the end."""
        return False

    def pause_writing(self) -> None:
        """The client does not read."""
        if self._link:
            self._link.blocked()

    def resume_writing(self) -> None:
        """It does again."""
        if self._link:
            self._link.unblocked()

    def connection_lost(self, exc: Exception | None) -> None:
        """Either side has hung up."""
        self._forget(self)
        if self._link:
            self._link.lost()
            self._link = None
        if self._gone:
            self._gone.set_result(None)

    # --- what the link and the line call --------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends, or keeps until the client reads."""
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Nothing shall arrive until `resume_reading`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Ends `pause_reading`."""
        self._transport.resume_reading()

    def finish(self) -> None:
        """Hangs up once everything written is out."""
        self._transport.close()

    drop_carrier = finish

    def pace(self, baud: int) -> None:
        """The client of a serial port server chose a speed."""
        if self._link:
            self._link.pace(baud=baud)

    def hang_up(self) -> None:
        """Ends the session now; what was written still goes out."""
        if self._link:
            self._link.lost()
        self._transport.close()

    def abort(self) -> None:
        """Hangs up at once, whatever is unsent."""
        self._transport.abort()

    def gone(self) -> asyncio.Future[None]:
        """Done when the connection is lost."""
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
        return self._gone
