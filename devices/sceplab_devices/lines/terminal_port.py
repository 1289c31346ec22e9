"""Terminal devices that a serial line can be on: a pseudo-terminal of ours, or a real port."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
import tty
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sceplab_devices.errors import EndpointError

if TYPE_CHECKING:
    from serial import Serial

    from sceplab_devices.lines.endpoint import Endpoint

DEFAULT_BAUD = 9600
_PTS = "/dev/pts/"


class TerminalPort(Protocol):
    """The end of a serial cable that the device is on."""

    redial_s: float
    """How long the carrier stays away once it was dropped, or a lost port is waited for."""

    def open(self) -> int:
        """Gives the file descriptor, non-blocking.

        Raises:
            EndpointError: the port cannot be had.
        """

    def close(self) -> None:
        """Gives the port back; the other end sees a hang-up."""

    def unread_bytes(self) -> int:
        """What was written and nobody read yet; 0 when that is unknown."""

    def discard_unread(self) -> None:
        """Nobody reads: what was written is lost, as on a cable that ends nowhere."""

    def has_carrier(self) -> bool | None:
        """Whether somebody is at the other end; ``None``: this port cannot tell."""


class PseudoTerminal:
    """A pseudo-terminal, and a link to it with a name that stays.

    Our own descriptor of the far end stays open: programs come and go there, the session remains,
    as on a console cable.
    """

    redial_s = 0.05

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._path = Path(endpoint.path)
        self._fds: tuple[int, int] | None = None
        self._name = ""

    def open(self) -> int:
        """Makes the pair in raw mode and the link."""
        near, far = os.openpty()
        self._fds = (near, far)
        try:
            tty.setraw(far)
            os.set_blocking(near, False)
            self._name = os.ttyname(far)
            self._link()
        except BaseException:
            self.close()
            raise
        return near

    def close(self) -> None:
        """Removes the link, when it is still ours, and the pair."""
        with suppress(OSError):
            if self._name and os.readlink(self._path) == self._name:
                self._path.unlink()
        self._name = ""
        for fd in self._fds or ():
            os.close(fd)
        self._fds = None

    def unread_bytes(self) -> int:
        """What the program at the far end has not read."""
        if self._fds is None:
            return 0
        answer = fcntl.ioctl(self._fds[1], termios.FIONREAD, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])

    def discard_unread(self) -> None:
        """Empties the far end."""
        if self._fds:
            termios.tcflush(self._fds[1], termios.TCIFLUSH)

    def has_carrier(self) -> bool | None:
        """A pseudo-terminal has no modem lines."""
        return None

    def _link(self) -> None:
        path = self._path
        with suppress(OSError):
            # Left behind by a device that was killed: the terminal it named is gone.
            if path.is_symlink() and os.readlink(path).startswith(_PTS) and not path.exists():
                path.unlink()
        try:
            path.symlink_to(self._name)
        except FileExistsError as error:
            self._name = ""
            reason = "the name is taken; choose another one, or remove it first"
            raise EndpointError(str(self._endpoint), reason) from error
        except OSError as error:
            self._name = ""
            reason = f"the link cannot be made in {path.parent}: {error.strerror}"
            raise EndpointError(str(self._endpoint), reason) from error


class RealPort:
    """A serial port of this machine."""

    redial_s = 0.5

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._serial: Serial | None = None

    def open(self) -> int:
        """Opens it for us alone, eight bits, no parity, one stop bit."""
        import serial

        baud = self._endpoint.options.baud or DEFAULT_BAUD
        try:
            self._serial = serial.Serial(
                self._endpoint.path, baudrate=baud, timeout=0, write_timeout=0, exclusive=True
            )
        except (OSError, ValueError) as error:
            raise EndpointError(str(self._endpoint), _why(error)) from error
        fd: int = self._serial.fileno()
        os.set_blocking(fd, False)
        return fd

    def close(self) -> None:
        """Drops DTR, which the other end sees as a hang-up."""
        if self._serial:
            self._serial.close()
        self._serial = None

    def unread_bytes(self) -> int:
        """What has not left through the wire yet."""
        with suppress(OSError):
            return int(self._serial.out_waiting) if self._serial else 0
        return 0

    def discard_unread(self) -> None:
        """Forgets what has not left."""
        with suppress(OSError, termios.error):
            if self._serial:
                self._serial.reset_output_buffer()

    def has_carrier(self) -> bool | None:
        """DCD; a port without modem lines cannot tell."""
        try:
            return bool(self._serial.cd) if self._serial else None
        except OSError:
            return None


def _why(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in _NEXT_STEPS:
        return _NEXT_STEPS[number]
    return str(error)


_NEXT_STEPS = {
    errno.ENOENT: "there is no such port; see /dev/serial/by-id for those that are plugged in",
    errno.EAGAIN: "another program has this port open",
    errno.EACCES: "no right to open this port; on most systems the group dialout has it",
    errno.EBUSY: "another program has this port open",
}
