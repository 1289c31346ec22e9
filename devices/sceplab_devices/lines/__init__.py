"""Byte channels that consoles are attached to: TCP, Telnet, SSH, serial lines and their faults."""

from __future__ import annotations

from sceplab_devices.lines.endpoint import Endpoint, parse_endpoint
from sceplab_devices.lines.limits import raise_file_limit
from sceplab_devices.lines.line import Line, make_line, serve
from sceplab_devices.lines.server import LineServer

__all__ = [
    "Endpoint",
    "Line",
    "LineServer",
    "make_line",
    "parse_endpoint",
    "raise_file_limit",
    "serve",
]
