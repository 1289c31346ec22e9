"""Listens on a TCP port and attaches a console of one device to each connection.

Taking the port and serving are two steps, so that whoever starts a device can find out that a port
is taken before anything else of the device exists.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines.connection import Connection
from sceplab_devices.lines.endpoint import Endpoint
from sceplab_devices.session import LineInfo

if TYPE_CHECKING:
    from sceplab_devices.device import Device

logger = logging.getLogger(__name__)

LINE_KINDS = {"tcp": "console", "telnet": "vty"}
"""Kind of session behind each kind of endpoint."""
_LINE_NAMES = {"console": "con", "vty": "vty"}


_NEXT_STEPS = {
    errno.EADDRINUSE: "the port is in use; choose another one, or 0 for any free port",
    errno.EACCES: "this port needs more rights; choose one above 1023, or 0 for any free port",
    errno.EADDRNOTAVAIL: "this machine has no such address; 127.0.0.1 is always there",
}


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an IP address."""
    return ip_address(address.partition("%")[0]).is_loopback


class LineServer:
    """A line of a device that can be connected to.

    Attributes:
        endpoint: where it listens, with the port really taken once it is bound.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._kind = LINE_KINDS[endpoint.kind]
        self._device: Device | None = None
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], int] = {}
        """Task of each connection, and its line number."""

    async def bind(self) -> None:
        """Takes the port; nobody can connect yet.

        Raises:
            EndpointError: the address or port cannot be had; the text says what to do.
        """
        host, port = self.endpoint.host, self.endpoint.port
        try:
            self._server = await asyncio.start_server(self._accept, host, port, start_serving=False)
        except OSError as error:
            raise self._refused(error) from error
        port = self._server.sockets[0].getsockname()[1]
        self.endpoint = Endpoint(self.endpoint.kind, self.endpoint.host, port)

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
            raise self._refused(error) from error
        logger.info("%s listens on %s", device.hostname, self.endpoint)

    def swap(self, device: Device | None) -> None:
        """Closes all connections; new ones reach ``device``, or nobody while there is none."""
        self._device = device
        for task in self._tasks:
            task.cancel()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect; after `bind`."""
        assert self._server is not None, "bind comes first"
        names = [taken.getsockname()[0] for taken in self._server.sockets]
        return all(map(is_loopback, names))

    def _refused(self, error: OSError) -> EndpointError:
        if isinstance(error, socket.gaierror):
            reason = f"no address belongs to the name {self.endpoint.host!r}"
        else:
            reason = _NEXT_STEPS.get(error.errno or 0, error.strerror or str(error))
        return EndpointError(str(self.endpoint), reason)

    async def close(self) -> None:
        """Stops listening and drops all connections; returns when nothing of them is left."""
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A plain function, not a coroutine: tasks that the streams make themselves print a
        # traceback each when they are cancelled.
        device = self._device
        if device is None:
            writer.close()
            return
        number = min(set(range(len(self._tasks) + 1)) - set(self._tasks.values()))
        if number >= device.profile.lines[self._kind].count:
            writer.close()
            return
        peer = writer.get_extra_info("peername")
        line = LineInfo(
            name=f"{_LINE_NAMES[self._kind]}{number}",
            kind=self._kind,
            number=number,
            peer=peer[0] if peer else "",
        )
        connection = Connection(device, line, self.endpoint.kind, reader, writer)
        task = asyncio.create_task(connection.run(), name=f"{device.hostname} {line.name}")
        self._tasks[task] = number
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s: connection failed", task.get_name(), exc_info=error)
