"""A TCP server of a few lines, for answers no decent HTTP server would give."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_TLS_HANDSHAKE = b"\x16\x03"

Handler = Callable[[socket.socket, bytes], None]
"""Gets the connection and the request (head and body), answers as it likes."""


@dataclass
class RawServer:
    """Where it listens and what it was asked."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Base URL with a SCEP path."""
        return f"http://127.0.0.1:{self.port}/scep"


@contextlib.contextmanager
def raw_server(*handlers: Handler) -> Iterator[RawServer]:
    """Serves one connection after the other, each by the next handler (the last one repeats)."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(listener.getsockname()[1])

    def serve() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed: the test is over
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                request = _read_request(connection)
                if request:
                    server.requests.append(request)
                    handlers[min(number, len(handlers) - 1)](connection, request)
                    number += 1

    thread = threading.Thread(target=serve, name="raw-server")
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def answer(
    status: str = "200 OK", body: bytes = b"", *headers: str, length: int | None = None
) -> Handler:
    """A handler that sends a complete head and a body.

    Args:
        status: behind ``HTTP/1.1``.
        body: what is really sent.
        headers: further ones.
        length: the length announced; by default that of the body.
    """
    announced = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {announced}", *headers, "", ""]

    def handle(connection: socket.socket, request: bytes) -> None:
        connection.sendall("\r\n".join(lines).encode() + body)

    return handle


def raw(data: bytes) -> Handler:
    """A handler that sends bytes as they are and closes."""

    def handle(connection: socket.socket, request: bytes) -> None:
        connection.sendall(data)

    return handle


def reset(connection: socket.socket, request: bytes) -> None:
    """A handler that resets the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(connection: socket.socket, request: bytes) -> None:
    """A handler that says nothing until the client goes away."""
    while connection.recv(1024):
        pass


def dripping(data: bytes, pause: threading.Event) -> Handler:
    """A handler that sends one byte after the other, ``pause`` (0.02 s) between two."""

    def handle(connection: socket.socket, request: bytes) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            pause.wait(0.02)

    return handle


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65_536)
        if not chunk or chunk.startswith(_TLS_HANDSHAKE):
            return data + chunk
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
