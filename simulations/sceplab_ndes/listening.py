"""Takes the address a server is to listen on, before anything else of the server exists."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sceplab_ndes.errors import AddressError

_NEXT_STEPS = {
    errno.EADDRINUSE: "the port is in use; choose another one with --port, or 0 for any free port",
    errno.EACCES: "this port needs more rights; choose one above 1023, or 0 for any free port",
    errno.EADDRNOTAVAIL: "this machine has no such address; 127.0.0.1 is always there",
}


@contextmanager
def taken_address(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets bound to every address of the host, closed at the end. Nobody can connect yet.

    Args:
        host: address or name.
        port: 0 takes a free one, the same for every address.

    Raises:
        AddressError: it cannot be had; the text names address and next step.
    """
    sockets: list[socket.socket] = []
    try:
        try:
            for family, address in _addresses(host, port):
                sockets.append(socket.socket(family, socket.SOCK_STREAM))
                chosen = port or sockets[0].getsockname()[1]
                _bind(sockets[-1], (address[0], chosen, *address[2:]))
        except OSError as error:
            raise refused_address(host, port, error) from error
        yield sockets
    finally:
        for taken in sockets:
            taken.close()


def _bind(taken: socket.socket, address: tuple[object, ...]) -> None:
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if taken.family == socket.AF_INET6:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    taken.bind(address)


def refused_address(host: str, port: int, error: OSError) -> AddressError:
    """The error for an address that the system refuses."""
    reason = _NEXT_STEPS.get(error.errno or 0, error.strerror or str(error))
    shown = f"[{host}]" if ":" in host else host
    return AddressError(f"cannot listen on {shown}:{port}: {reason}")


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))
