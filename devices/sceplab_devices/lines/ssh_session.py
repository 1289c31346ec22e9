"""One SSH channel as a wire, and the commands of ``ssh HOST COMMAND``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import asyncssh

from sceplab_devices.lines.raw import RawCodec
from sceplab_devices.waits import Waits

if TYPE_CHECKING:
    from sceplab_devices.console import Console
    from sceplab_devices.lines.link import Link
    from sceplab_devices.lines.wire import LineCodec

logger = logging.getLogger(__name__)

_BREAK_KEY, _INTERRUPT_KEY = b"\x1e", b"\x03"


class CommandCodec(RawCodec):
    """Lets through what a command prints, without prompts and without the echo of the command.

    Attributes:
        is_open: the command has been typed; before, everything is dropped.
    """

    __slots__ = ("_console", "_is_first", "_rest", "is_open")

    def __init__(self, console: Console) -> None:
        self.is_open = False
        self._console = console
        self._is_first = True
        self._rest = b""

    def encode(self, data: bytes) -> bytes:
        """Whole lines; a line without an end only when it is a question."""
        if not self.is_open:
            return b""
        if self._is_first and data:
            self._is_first = False
            data = data.removeprefix(b"\r\n")
        data = self._rest + data
        end = len(data) if self._console.is_asking else data.rfind(b"\n") + 1
        self._rest = data[end:]
        return data[:end]


class SshSession(asyncssh.SSHServerSession[bytes]):
    """A shell or a command on a device.

    Args:
        open_link: gives the link for this wire, ``None`` when the device has no line free.
        drop: ends the connection that the channel is on.
    """

    def __init__(
        self,
        open_link: Callable[[SshSession, Callable[[Console], LineCodec] | None], Link | None],
        drop: Callable[[], None],
    ) -> None:
        self._open_link = open_link
        self._drop = drop
        self._link: Link | None = None
        self._typed = bytearray()
        self._command: str | None = None
        self._codec: CommandCodec | None = None
        self._chan: asyncssh.SSHServerChannel[bytes]

    # --- what asyncssh calls --------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """The channel is open."""
        self._chan = chan

    def pty_requested(
        self,
        term_type: str,
        term_size: tuple[int, int, int, int],
        term_modes: object,
    ) -> bool:
        """A terminal is welcome; its size is asked for when the session begins."""
        return True

    def shell_requested(self) -> bool:
        """A session at the prompt."""
        self._link = self._open_link(self, None)
        return self._link is not None

    def exec_requested(self, command: str) -> bool:
        """A session for one command."""
        self._command = command
        self._link = self._open_link(self, self._make_codec)
        return self._link is not None

    def session_started(self) -> None:
        """The client has been told that it may begin."""
        link = self._link
        if link is None:
            return
        columns, rows, *_ = self._chan.get_terminal_size()
        link.open()
        link.console.resize(columns, rows)
        if self._command is not None and self._codec is not None:
            self._run_command(link, self._command, self._codec)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Typed bytes. What arrives together is taken together, once all of it is known.

        A client may have typed a lot and left: answers to each packet would all go to a connection
        that is gone, before the event loop can tell.
        """
        if not self._typed:
            asyncio.get_running_loop().call_soon(self._take_typed)
        self._typed += data

    def _take_typed(self) -> None:
        typed = bytes(self._typed)
        self._typed.clear()
        if self._link and typed:
            self._link.received(typed)

    def eof_received(self) -> bool:
        """The client will not type any more; what it typed is carried out to its end."""
        # Behind what was typed; not at all when the client has closed everything.
        asyncio.get_running_loop().call_soon(self._end_of_keys)
        return True

    def _end_of_keys(self) -> None:
        if self._link:
            self._link.end_of_keys()

    def terminal_size_changed(
        self,
        width: int,
        height: int,
        pixwidth: int,
        pixheight: int,
    ) -> None:
        """The window was resized."""
        if self._link:
            self._link.console.resize(width, height)

    def break_received(self, msec: int) -> bool:
        """A break, as on a serial line."""
        self._take_typed()
        if self._link:
            self._link.received(_BREAK_KEY)
        return True

    def signal_received(self, signal: str) -> None:
        """``INT`` is Ctrl-C; a console knows no other."""
        self._take_typed()
        if self._link and signal == "INT":
            self._link.received(_INTERRUPT_KEY)

    def pause_writing(self) -> None:
        """The client does not read."""
        if self._link:
            self._link.blocked()

    def resume_writing(self) -> None:
        """It does again."""
        if self._link:
            self._link.unblocked()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        self.end()

    # --- what the link and the line call --------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends, or keeps until the client reads."""
        if data and not self._chan.is_closing():
            self._chan.write(data)

    def pause_reading(self) -> None:
        """Nothing shall arrive until `resume_reading`."""
        self._chan.pause_reading()

    def resume_reading(self) -> None:
        """Ends `pause_reading`."""
        self._chan.resume_reading()

    def finish(self) -> None:
        """Ends the channel once everything written is out."""
        if not self._chan.is_closing():
            self._chan.exit(0)

    def drop_carrier(self) -> None:
        """Ends the connection."""
        self._drop()

    def end(self) -> None:
        """Ends the session; the channel stays as it is."""
        link, self._link = self._link, None
        if link:
            link.lost()

    # --- a single command -----------------------------------------------------------------------

    def _make_codec(self, console: Console) -> LineCodec:
        self._codec = CommandCodec(console)
        return self._codec

    def _run_command(self, link: Link, command: str, codec: CommandCodec) -> None:
        if link.console.waits is not Waits.COMMAND:
            logger.info("%s asks before the first prompt", link.console.session.line.name)
            self._chan.exit(1)
            return
        link.console.session.length = 0
        *lines, last = command.replace("\r\n", "\n").split("\n")
        link.received("".join(line + "\r" for line in lines).encode())
        link.received(last.encode())
        codec.is_open = True
        link.received(b"\r")
        link.end_when_idle()
