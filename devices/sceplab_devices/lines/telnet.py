"""Telnet as a codec: commands and options out of the byte stream, answers to them, and escaping.

The server echoes and does not send go-ahead (both offered first, as routers do) and asks for the
window size. It refuses every other option once. A peer cannot make it answer without end: only a
change of an option's state is answered, and a subnegotiation is dropped beyond a bound.

Spec: RFC 854, 855, 856 (binary), 857 (echo), 858 (suppress go-ahead), 860 (timing mark), 1073
(window size), 1143 (no option loops).
"""

from __future__ import annotations

from collections.abc import Callable

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
EL, EC, AYT, IP, BRK = 248, 247, 246, 244, 243
BINARY, ECHO, SUPPRESS_GO_AHEAD, TIMING_MARK, WINDOW_SIZE = 0, 1, 3, 6, 31

SUBNEGOTIATION_LIMIT_BYTES = 256
_NEGOTIATION_BYTES = 3
_WINDOW_SIZE_BYTES = 4

_KEY_OF_COMMAND = {IP: b"\x03", BRK: b"\x1e", EC: b"\x7f", EL: b"\x15"}
"""Commands that stand for keys: Ctrl-C, Ctrl-Shift-6, Backspace, Ctrl-U."""
_WE_OFFER = frozenset({BINARY, ECHO, SUPPRESS_GO_AHEAD})
_WE_ACCEPT = frozenset({BINARY, SUPPRESS_GO_AHEAD, WINDOW_SIZE})


class TelnetCodec:
    """One Telnet connection, server side.

    Args:
        on_window_size: called with columns and rows when the client tells them; 0 is unknown.
    """

    __slots__ = ("_discards", "_on_window_size", "_ours", "_pending", "_refused", "_theirs")

    def __init__(self, on_window_size: Callable[[int, int], None]) -> None:
        self._on_window_size = on_window_size
        self._ours = {ECHO, SUPPRESS_GO_AHEAD}
        """Options on at our side, offered ones included."""
        self._theirs = {WINDOW_SIZE}
        self._refused: set[tuple[int, int]] = set()
        self._pending = b""
        """Start of a command whose end has not come."""
        self._discards = False
        """Inside a subnegotiation that is too long."""

    def opening(self) -> bytes:
        """What a Telnet server says first."""
        return bytes(
            (IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD, IAC, DO, WINDOW_SIZE)
        )  # fmt: skip

    def encode(self, data: bytes) -> bytes:
        """Bytes of the console, as they go out."""
        return data.replace(b"\xff", b"\xff\xff")

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Typed bytes, and what to answer at once."""
        if not self._pending and not self._discards and IAC not in data:
            return data, b""
        data = self._pending + data
        self._pending = b""
        typed = bytearray()
        answer = bytearray()
        position = 0
        while position < len(data):
            if self._discards:
                position = self._skip_subnegotiation(data, position)
                continue
            command = data.find(IAC, position)
            if command < 0:
                command = len(data)
            typed += data[position:command]
            position = self._command(data, command, typed, answer)
        return bytes(typed), bytes(answer)

    def _command(self, data: bytes, start: int, typed: bytearray, answer: bytearray) -> int:
        """Carries out the command at ``start``; gives the position behind it."""
        command = data[start + 1 : start + 2]
        size = 2
        if command and command[0] in (WILL, WONT, DO, DONT):
            size = _NEGOTIATION_BYTES
        if command and command[0] == SB:
            return self._subnegotiation(data, start)
        if len(data) < start + size:
            self._pending = data[start:]
            return len(data)
        code = command[0]
        if size == _NEGOTIATION_BYTES:
            answer += self._negotiate(code, data[start + 2])
        elif code == IAC:
            typed.append(IAC)
        elif code == AYT:
            answer += b"\r\n[Yes]\r\n"
        else:
            typed += _KEY_OF_COMMAND.get(code, b"")
        return start + size

    def _negotiate(self, verb: int, option: int) -> bytes:
        if verb == DO and option == TIMING_MARK:
            return bytes((IAC, WILL, option))
        if verb in (DO, DONT):
            state, allowed, yes, no = self._ours, _WE_OFFER, WILL, WONT
        else:
            state, allowed, yes, no = self._theirs, _WE_ACCEPT, DO, DONT
        if verb in (DO, WILL):
            if option in state:
                return b""
            if option in allowed:
                state.add(option)
                return bytes((IAC, yes, option))
            if (no, option) in self._refused:
                return b""
            self._refused.add((no, option))
            return bytes((IAC, no, option))
        if option not in state:
            return b""
        state.discard(option)
        return bytes((IAC, no, option))

    def _subnegotiation(self, data: bytes, start: int) -> int:
        end = _end_of_subnegotiation(data, start + 2)
        if end < 0:
            if len(data) - start > SUBNEGOTIATION_LIMIT_BYTES:
                self._discards = True
                return start + 2
            self._pending = data[start:]
            return len(data)
        body = data[start + 2 : end].replace(b"\xff\xff", b"\xff")
        if body[:1] == bytes((WINDOW_SIZE,)) and len(body) == 1 + _WINDOW_SIZE_BYTES:
            columns, rows = body[1] << 8 | body[2], body[3] << 8 | body[4]
            self._on_window_size(columns, rows)
        return end + 2

    def _skip_subnegotiation(self, data: bytes, position: int) -> int:
        end = _end_of_subnegotiation(data, position)
        if end >= 0:
            self._discards = False
            return end + 2
        if data[-1] == IAC and position < len(data):
            self._pending = data[-1:]
        return len(data)


def _end_of_subnegotiation(data: bytes, position: int) -> int:
    """Position of the ``IAC SE`` that ends it, -1 when it has not come; ``IAC IAC`` is data."""
    while (found := data.find(IAC, position)) >= 0:
        if data[found + 1 : found + 2] == bytes((SE,)):
            return found
        position = found + 2
    return -1
