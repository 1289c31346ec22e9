"""Listens on a TCP port and attaches a console of one device to each connection."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines.connection import Connection
from sceplab_devices.lines.endpoint import Endpoint, parse_endpoint
from sceplab_devices.session import LineInfo

if TYPE_CHECKING:
    from sceplab_devices.device import Device

logger = logging.getLogger(__name__)

LINE_KINDS = {"tcp": "console", "telnet": "vty"}
"""Kind of session behind each kind of endpoint."""
_LINE_NAMES = {"console": "con", "vty": "vty"}


class LineServer:
    """A listening line of a device.

    Attributes:
        endpoint: where it listens, with the port really taken once it is open.
    """

    def __init__(self, device: Device, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._device = device
        self._kind = LINE_KINDS[endpoint.kind]
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], int] = {}
        """Task of each connection, and its line number."""

    async def open(self) -> None:
        """Starts listening.

        Raises:
            EndpointError: the address or port cannot be had.
        """
        try:
            self._server = await asyncio.start_server(
                self._accept, self.endpoint.host, self.endpoint.port
            )
        except OSError as error:
            raise EndpointError(str(self.endpoint), error.strerror or str(error)) from error
        port = self._server.sockets[0].getsockname()[1]
        self.endpoint = Endpoint(self.endpoint.kind, self.endpoint.host, port)
        logger.info("%s listens on %s", self._device.hostname, self.endpoint)

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
        number = min(set(range(len(self._tasks) + 1)) - set(self._tasks.values()))
        if number >= self._device.profile.lines[self._kind].count:
            writer.close()
            return
        peer = writer.get_extra_info("peername")
        line = LineInfo(
            name=f"{_LINE_NAMES[self._kind]}{number}",
            kind=self._kind,
            number=number,
            peer=peer[0] if peer else "",
        )
        connection = Connection(self._device, line, self.endpoint.kind, reader, writer)
        task = asyncio.create_task(connection.run(), name=f"{self._device.hostname} {line.name}")
        self._tasks[task] = number
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s: connection failed", self._device.hostname, exc_info=error)


async def serve(device: Device, endpoint: str) -> LineServer:
    """An open line of ``device``, for example on ``telnet:127.0.0.1:0``. Close it in the same loop.

    Raises:
        EndpointError: the text is not understood, or cannot be listened on.
    """
    server = LineServer(device, parse_endpoint(endpoint))
    await server.open()
    return server
