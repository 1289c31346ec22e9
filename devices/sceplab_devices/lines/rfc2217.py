"""A serial port server: Telnet that carries the settings of a serial port.

pyserial speaks the protocol (`serial.rfc2217.PortManager`); here is the port it manages. That port
exists in memory only: the cable is always plugged in, and its speed paces the console.

Spec: RFC 2217.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from sceplab_devices.lines.options import FASTEST_BAUD

DEFAULT_BAUD = 9600
SUBNEGOTIATION_LIMIT_BYTES = 256
_IAC = 255
_BREAK_KEY = b"\x1e"
"""What a break on the cable is for the console of a router: Ctrl-Shift-6."""


class MemoryPort:
    """The serial port that clients set; only speed and break do anything.

    Args:
        on_baud: called with a new speed.
        baud: speed at the start.
    """

    cts = dsr = cd = True
    ri = False

    def __init__(self, on_baud: Callable[[int], None], baud: int) -> None:
        self.bytesize = 8
        self.parity = "N"
        self.stopbits = 1
        self.xonxoff = self.rtscts = False
        self.dtr = self.rts = True
        self.breaks = 0
        """Breaks that nobody has taken yet."""
        self._on_baud = on_baud
        self._baud = baud

    @property
    def baudrate(self) -> int:
        """Bits a second."""
        return self._baud

    @baudrate.setter
    def baudrate(self, baud: int) -> None:
        if not 1 <= baud <= FASTEST_BAUD:
            raise ValueError(f"no port has {baud} baud")
        self._baud = baud
        self._on_baud(baud)

    @property
    def break_condition(self) -> bool:
        """Whether the client holds the line low; here each break is over at once."""
        return False

    @break_condition.setter
    def break_condition(self, is_on: bool) -> None:
        self.breaks += bool(is_on)

    def reset_input_buffer(self) -> None:
        """Nothing waits here."""

    def reset_output_buffer(self) -> None:
        """Nothing waits here."""


class SerialPortCodec:
    """One client of a serial port server."""

    def __init__(self, on_baud: Callable[[int], None], baud: int) -> None:
        from serial.rfc2217 import PortManager

        self._port = MemoryPort(on_baud, baud)
        self._answers = bytearray()
        make_manager: Any = PortManager  # declared for a port of pyserial's and a serial connection
        self._manager = make_manager(self._port, self)

    def write(self, data: bytes) -> None:
        """Takes what pyserial wants to answer."""
        self._answers += data

    def opening(self) -> bytes:
        """Offers and requests."""
        return self._take_answers()

    def encode(self, data: bytes) -> bytes:
        """Bytes of the console, as they go out."""
        return data.replace(b"\xff", b"\xff\xff")

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Typed bytes, and what to answer at once."""
        if self._is_plain and _IAC not in data:
            return data, b""
        typed = bytearray()
        for byte in data:
            typed += self._decode_byte(byte)
        return bytes(typed), self._take_answers()

    @property
    def _is_plain(self) -> bool:
        from serial.rfc2217 import M_NORMAL

        return self._manager.mode == M_NORMAL and self._manager.suboption is None

    def _decode_byte(self, byte: int) -> bytes:
        manager = self._manager
        try:
            typed = b"".join(manager.filter(bytes((byte,))))
        except (ValueError, TypeError, KeyError, struct.error):
            # pyserial takes a setting apart without looking whether it is whole: it is not set.
            self._restart()
            return b""
        if manager.suboption is not None and len(manager.suboption) > SUBNEGOTIATION_LIMIT_BYTES:
            self._restart()
        if self._port.breaks:
            self._port.breaks = 0
            typed += _BREAK_KEY
        return typed

    def _restart(self) -> None:
        from serial.rfc2217 import M_NORMAL

        self._manager.mode, self._manager.suboption = M_NORMAL, None

    def _take_answers(self) -> bytes:
        answers, self._answers = bytes(self._answers), bytearray()
        return answers
