"""The TCP address of ``--metrics``: loopback only, as whoever connects is told everything."""

from __future__ import annotations

import socket
from ipaddress import ip_address

_MAX_PORT = 65_535


def parse_metrics_address(text: str) -> tuple[str, int]:
    """Host and port from ``HOST:PORT``, ``[::1]:PORT``; ``localhost`` is ``127.0.0.1``.

    Raises:
        ValueError: malformed, or not an address of this machine alone.
    """
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not (port.isascii() and port.isdigit()) or int(port) > _MAX_PORT:
        raise ValueError(f"'{text}' is not HOST:PORT, for example 127.0.0.1:9464")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError as error:
        raise ValueError(f"'{host}' is no IP address; use 127.0.0.1 or ::1") from error
    if not is_loopback:
        raise ValueError(f"{host} is not loopback: metrics are for this machine; use 127.0.0.1")
    return host, int(port)


def listen_tcp(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)
