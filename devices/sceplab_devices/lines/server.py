"""Listens on a TCP port and attaches a console of one device to each connection.

Taking the port and serving are two steps, so that whoever starts a device can find out that a port
is taken before anything else of the device exists.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sceplab_devices.lines.endpoint import Endpoint
from sceplab_devices.lines.link import Link
from sceplab_devices.lines.listening import is_loopback, refused
from sceplab_devices.lines.rfc2217 import DEFAULT_BAUD, SerialPortCodec
from sceplab_devices.lines.sessions import Sessions
from sceplab_devices.lines.socket_wire import SocketWire
from sceplab_devices.lines.telnet import TelnetCodec

if TYPE_CHECKING:
    from sceplab_devices.console import Console
    from sceplab_devices.device import Device
    from sceplab_devices.lines.wire import LineCodec

logger = logging.getLogger(__name__)


class LineServer:
    """A line that is reached over TCP: a bare byte stream, Telnet, or a serial port server.

    Attributes:
        endpoint: where it listens, with the port really taken once it is bound.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._sessions = Sessions(endpoint.kind, endpoint.options)
        self._device: Device | None = None
        self._server: asyncio.Server | None = None
        self._wires: set[SocketWire] = set()

    async def bind(self) -> None:
        """Takes the port; nobody can connect yet.

        Raises:
            EndpointError: the address or port cannot be had; the text says what to do.
        """
        host, port = self.endpoint.host, self.endpoint.port
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: SocketWire(self._accept, self._wires.discard),
                host,
                port,
                start_serving=False,
            )
        except OSError as error:
            raise refused(self.endpoint, error) from error
        port = self._server.sockets[0].getsockname()[1]
        self.endpoint = replace(self.endpoint, port=port)

    async def serve(self, device: Device) -> None:
        """Lets clients connect to ``device``; after `bind`.

        Raises:
            EndpointError: another process began to listen there first.
        """
        assert self._server is not None, "bind comes first"
        self._device = device
        try:
            await self._server.start_serving()
        except OSError as error:
            raise refused(self.endpoint, error) from error
        logger.info("%s listens on %s", device.hostname, self.endpoint)

    def swap(self, device: Device | None) -> None:
        """Closes all connections; new ones reach ``device``, or nobody while there is none."""
        self._device = device
        for wire in tuple(self._wires):
            wire.hang_up()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect; after `bind`."""
        assert self._server is not None, "bind comes first"
        names = [taken.getsockname()[0] for taken in self._server.sockets]
        return all(map(is_loopback, names))

    async def close(self) -> None:
        """Stops listening and drops all connections; returns when nothing of them is left."""
        if self._server is None:
            return
        self._server.close()
        gone = [wire.gone() for wire in self._wires]
        for wire in tuple(self._wires):
            wire.abort()
        await asyncio.gather(*gone)
        await self._server.wait_closed()
        self._server = None

    def _accept(self, wire: SocketWire, peer: str) -> Link | None:
        device = self._device
        if device is None:
            return None
        self._wires.add(wire)
        baud = self.endpoint.options.baud
        make_codec: Callable[[Console], LineCodec] | None = None
        if self.endpoint.kind == "telnet":
            make_codec = _telnet_codec
        elif self.endpoint.kind == "rfc2217":
            baud = baud or DEFAULT_BAUD
            make_codec = partial(_port_codec, wire, baud)
        return self._sessions.open(device, wire, peer=peer, baud=baud, make_codec=make_codec)


def _telnet_codec(console: Console) -> LineCodec:
    return TelnetCodec(console.resize)


def _port_codec(wire: SocketWire, baud: int, _console: Console) -> LineCodec:
    return SerialPortCodec(wire.pace, baud)
