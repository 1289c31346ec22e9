"""A server emulator that goes away and comes back at the same address, as itself or another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sceplab_ndes.server import NdesHttpServer
from sceplab_ndes.state import ServerState
from tests.support.server import Clock


class SwitchedServer:
    """One address; behind it one server at a time, or none.

    Args:
        loop: runs in another thread.
        clock: of every server here, aware UTC.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._clock = clock
        self._server: NdesHttpServer | None = None
        self._port = 0
        self.url = ""

    def answer_by(self, state: ServerState) -> None:
        """From now on this server answers."""
        self.go()
        server = NdesHttpServer(state.responder, clock=self._clock, port=self._port)
        asyncio.run_coroutine_threadsafe(server.start(), self._loop).result(30)
        state.publish_at(server.base_url)
        self._server, self._port, self.url = server, server.port, server.scep_url

    def go(self) -> None:
        """From now on nobody answers: connections are refused."""
        if self._server is not None:
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(30)
            self._server = None


@contextmanager
def switched_server(clock: Clock) -> Iterator[SwitchedServer]:
    """An address where nobody answers yet."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="test-switched-server")
    thread.start()
    server = SwitchedServer(loop, clock)
    try:
        yield server
    finally:
        server.go()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
