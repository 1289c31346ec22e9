"""Listens for SSH connections to one device. asyncssh speaks the protocol."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines.host_keys import host_keys
from sceplab_devices.lines.listening import is_loopback, refused
from sceplab_devices.lines.sessions import Sessions

if TYPE_CHECKING:
    from asyncssh import SSHAcceptor, SSHKey

    from sceplab_devices.device import Device
    from sceplab_devices.lines.endpoint import Endpoint
    from sceplab_devices.lines.ssh_server import ConnectionServer

logger = logging.getLogger(__name__)


class SshLine:
    """A network line that is reached by SSH; see `Line`.

    Args:
        endpoint: where it listens.
        keys_dir: where host keys are kept; ``None``: a folder of the user's own.
    """

    def __init__(self, endpoint: Endpoint, keys_dir: Path | None) -> None:
        self.endpoint = endpoint
        self.device: Device | None = None
        """Who is behind the line; ``None``: nobody, connections end at once."""
        self.sessions = Sessions(endpoint.kind, endpoint.options)
        self.connections: set[ConnectionServer] = set()
        """Those that are open."""
        self._keys_dir = keys_dir
        self._keys: list[SSHKey] = []
        self._socket: socket.socket | None = None
        self._acceptor: SSHAcceptor | None = None

    async def bind(self) -> None:
        """Takes the port and finds the host keys; nobody can connect yet.

        Raises:
            EndpointError: asyncssh is missing, or the port or a host key cannot be had.
        """
        try:
            import asyncssh
        except ImportError as error:
            reason = "SSH lines need asyncssh: pip install 'sceplab[ssh]'"
            raise EndpointError(str(self.endpoint), reason) from error
        asyncssh.set_log_level(logging.WARNING)
        loop = asyncio.get_running_loop()
        self._keys = await loop.run_in_executor(None, host_keys, self.endpoint, self._keys_dir)
        host, port = self.endpoint.host, self.endpoint.port
        try:
            family, kind, protocol, _, address = (
                await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(address)
        except OSError as error:
            self._release_socket()
            raise refused(self.endpoint, error) from error
        self.endpoint = replace(self.endpoint, port=self._socket.getsockname()[1])

    async def serve(self, device: Device) -> None:
        """Lets clients connect to ``device``; after `bind`.

        Raises:
            EndpointError: another process began to listen there first.
        """
        from sceplab_devices.lines.ssh_server import listen

        assert self._socket is not None, "bind comes first"
        self.device = device
        try:
            self._acceptor = await listen(self, self._socket, self._keys)
        except OSError as error:
            raise refused(self.endpoint, error) from error
        logger.info("%s listens on %s", device.hostname, self.endpoint)

    def swap(self, device: Device | None) -> None:
        """Closes all connections; new ones reach ``device``, or nobody while there is none."""
        self.device = device
        for connection in tuple(self.connections):
            connection.hang_up()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect; after `bind`."""
        assert self._socket is not None, "bind comes first"
        return is_loopback(self._socket.getsockname()[0])

    async def close(self) -> None:
        """Stops listening and drops all connections; returns when nothing of them is left."""
        if self._acceptor:
            self._acceptor.close()
        await asyncio.gather(*(connection.abort() for connection in tuple(self.connections)))
        if self._acceptor:
            await self._acceptor.wait_closed()
            self._acceptor = None
        self._release_socket()

    def _release_socket(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None
