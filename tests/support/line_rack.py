"""A device of the sample profile with lines of any kind, and asyncio clients on them."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from datetime import datetime
from pathlib import Path

from sceplab_devices.console import Console
from sceplab_devices.lines import Line, serve
from sceplab_devices.profile import DeviceProfile
from tests.support.consoles import IdlePort, ManualClock
from tests.support.sample_profile import SampleDevice
from tests.support.waiting import until

PATIENCE_S = 10


class Client:
    """The other end of a line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def until(self, end: bytes) -> bytes:
        """What arrives up to and with ``end``."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(end)

    async def rest(self) -> bytes:
        """What arrives before the other side hangs up."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def take(self, count: int) -> bytes:
        """So many bytes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(count)

    async def exchange(self, data: bytes, end: bytes = b">") -> bytes:
        """Sends, and gives the answer."""
        self.writer.write(data)
        return await self.until(end)

    def close(self) -> None:
        """Hangs up."""
        self.writer.close()


class TerminalClient:
    """A program on a serial line, as a terminal program opens it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._seen = b""
        self._arrived = asyncio.Event()
        self.is_hung_up = False
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    @classmethod
    def open(cls, path: str) -> TerminalClient:
        """Opens a terminal device that is in raw mode; what waits there is read."""
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        return cls(fd)

    def type(self, data: bytes) -> None:
        """Types and reads nothing."""
        os.write(self._fd, data)

    def stop_reading(self) -> None:
        """Leaves what arrives where it is."""
        asyncio.get_running_loop().remove_reader(self._fd)

    def start_reading(self) -> None:
        """Ends `stop_reading`."""
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def unread_bytes(self) -> int:
        """What the terminal device keeps for this end."""
        answer = fcntl.ioctl(self._fd, termios.FIONREAD, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except OSError:
            data = b""
        if not data:
            self.is_hung_up = True
            asyncio.get_running_loop().remove_reader(self._fd)
        self._seen += data
        self._arrived.set()

    async def until(self, end: bytes) -> bytes:
        """What arrives up to and with ``end``."""
        async with asyncio.timeout(PATIENCE_S):
            while (place := self._seen.find(end)) < 0:
                await self._more()
        return await self.take(place + len(end))

    async def take(self, count: int) -> bytes:
        """So many bytes."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self._seen) < count:
                await self._more()
        got, self._seen = self._seen[:count], self._seen[count:]
        return got

    async def _more(self) -> None:
        assert not self.is_hung_up, self._seen
        self._arrived.clear()
        await self._arrived.wait()

    async def rest(self) -> bytes:
        """What arrives before the other side hangs up."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.is_hung_up:
                await self._more()
        return self._seen

    async def exchange(self, data: bytes, end: bytes = b">") -> bytes:
        """Types, and gives the answer."""
        os.write(self._fd, data)
        return await self.until(end)

    def close(self) -> None:
        """Leaves the line."""
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)


class WatchedClock(ManualClock):
    """Tells when it was read often enough."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0
        self._done = asyncio.Event()

    def __call__(self) -> datetime:
        """The time it shows."""
        self._left -= 1
        if self._left == 0:
            self._done.set()
        return super().__call__()

    async def read_often(self, times: int) -> None:
        """Waits until it was read so many times more."""
        self._left = times
        await self._done.wait()


class Rack:
    """A device with lines, and the clients on them."""

    def __init__(self, profile: DeviceProfile, folder: Path | None = None) -> None:
        self.clock = WatchedClock()
        self.port = IdlePort()
        self.device: SampleDevice = profile.new_device(port=self.port, clock=self.clock)  # type: ignore[assignment]
        self.session_ended = asyncio.Event()
        self._forget = self.device.forget_console
        self.device.forget_console = self._note_end  # type: ignore[method-assign]
        self.servers: list[Line] = []
        self.clients: list[Client | TerminalClient] = []
        self._folder = folder

    async def line(self, kind: str, options: str = "") -> Line:
        """A line on a free port, or a pseudo-terminal in the rack's folder."""
        where = f"{self._folder}/tty{len(self.servers)}" if kind == "pty" else "127.0.0.1:0"
        server = await serve(
            self.device, f"{kind}:{where}{options and '?' + options}", keys_dir=self._folder
        )
        self.servers.append(server)
        return server

    async def client(self, server: Line) -> Client:
        """A connection to a network line."""
        pair = await asyncio.open_connection(server.endpoint.host, server.endpoint.port)
        client = Client(*pair)
        self.clients.append(client)
        return client

    async def any_client(self, server: Line) -> Client | TerminalClient:
        """A client for the kind of line."""
        if server.endpoint.kind != "pty":
            return await self.client(server)
        await until(lambda: os.path.exists(server.endpoint.path), "the link of the line")
        client = TerminalClient.open(server.endpoint.path)
        self.clients.append(client)
        return client

    def reload(self) -> SampleDevice:
        """Another device of the same kind, not yet on any line."""
        return self.device.profile.new_device(port=IdlePort(), clock=self.clock, hostname="new")  # type: ignore[return-value]

    def _note_end(self, console: Console) -> None:
        self._forget(console)
        self.session_ended.set()

    async def ended(self) -> None:
        """Waits until a session has ended."""
        async with asyncio.timeout(PATIENCE_S):
            await self.session_ended.wait()

    async def close(self) -> None:
        """Ends everything."""
        for server in self.servers:
            await server.close()
        for client in self.clients:
            client.close()
