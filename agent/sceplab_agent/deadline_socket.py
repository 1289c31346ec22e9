"""A connected socket whose every wait ends at a set moment, for `http.client`.

A socket's own timeout starts anew with each byte, so a server that drips one byte a second could
hold a reader for ever.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class DeadlineSocket:
    """The part of a socket that `http.client` uses.

    Args:
        connection: connected socket, plain or TLS; its owner closes it.
        read_timeout_s: longest silence, seconds.
        deadline: moment on ``monotonic`` at which the whole exchange is over.
        monotonic: clock, seconds.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        read_timeout_s: float,
        deadline: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._read_timeout_s = read_timeout_s
        self._deadline = deadline
        self._monotonic = monotonic

    def sendall(self, data: bytes) -> None:
        """Sends everything or raises `TimeoutError`."""
        self._arm()
        self._connection.sendall(data)

    def receive_into(self, buffer: WriteableBuffer) -> int:
        """Bytes received, 0 at the end; raises `TimeoutError` when the time is up."""
        self._arm()
        return self._connection.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Buffered reader over the socket."""
        return io.BufferedReader(cast("io.RawIOBase", _Reader(self)))

    def close(self) -> None:
        """Leaves the socket to its owner, who closes it once the answer is read."""

    def _arm(self) -> None:
        left_s = self._deadline - self._monotonic()
        if left_s <= 0:
            raise TimeoutError("the time for the whole exchange is used up")
        self._connection.settimeout(min(self._read_timeout_s, left_s))


class _Reader(io.RawIOBase):
    def __init__(self, source: DeadlineSocket) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        return self._source.receive_into(buffer)
