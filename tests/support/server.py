"""The server emulator for tests: in memory, on a port of the test's loop, or in a thread.

In memory:       ``state = make_server(); state.responder.respond(request, now)``
In this loop:    ``async with serve(make_server()) as server: server.scep_url``
In a thread:     ``with serve_in_thread(make_server()) as server: server.scep_url``

CA and RA keys are made once per test run and shared, which saves most of the time a server costs.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sceplab_hsm.api import KeyAlgorithm, KeyHandle
from sceplab_hsm.secret import Secret
from sceplab_hsm.software import SoftwareKeyStore
from sceplab_ndes.access import AdminUser
from sceplab_ndes.hierarchy import CaPlan, obtain_key
from sceplab_ndes.profiles import load_profile
from sceplab_ndes.server import NdesHttpServer
from sceplab_ndes.state import ServerState, create_server_state
from tests.support.soft_stores import soft_store

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
"""The moment servers of tests begin."""

ADMIN = AdminUser(name="admin", password=Secret("correct horse battery"))
"""The user who may log on to the admin page of servers of tests."""

Clock = Callable[[], datetime]


class TickingClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The current time."""
        return self.now

    def move(self, **duration: float) -> datetime:
        """Moves on by a duration as ``timedelta`` takes it; the new time."""
        self.now += timedelta(**duration)
        return self.now


@functools.cache
def shared_keys() -> SoftwareKeyStore:
    """A software store that all servers and devices of this test run share."""
    folder = tempfile.TemporaryDirectory(prefix="sceplab-keys-")
    atexit.register(folder.cleanup)
    return soft_store(Path(folder.name) / "keys")


@functools.cache
def shared_key(name: str, algorithm: KeyAlgorithm = KeyAlgorithm.RSA_2048) -> KeyHandle:
    """A key of that name, made at the first call of this test run."""
    return obtain_key(shared_keys(), name, algorithm)


def make_server(
    profile: str = "compat", *, settings: dict[str, Any] | None = None, **options: Any
) -> ServerState:
    """A server in memory, made at `NOW`, with `ADMIN` as its user.

    Args:
        profile: name of the server profile.
        settings: settings to change, by section.
        options: further arguments of ``create_server_state``.
    """
    options.setdefault("now", NOW)
    options.setdefault("users", [ADMIN])
    rules = load_profile(profile, settings or {})
    options.setdefault("plan", CaPlan(ra=rules.roles.ra))
    options.setdefault("key_store", shared_keys())
    return create_server_state(profile=rules, **options)


@asynccontextmanager
async def serve(state: ServerState, clock: Clock = lambda: NOW) -> AsyncIterator[NdesHttpServer]:
    """Serves on a loopback port in the running loop."""
    server = NdesHttpServer(state.responder, clock=clock)
    await server.start()
    state.publish_at(server.base_url)
    try:
        yield server
    finally:
        await server.stop()
        state.close()


@contextmanager
def serve_in_thread(state: ServerState, clock: Clock = lambda: NOW) -> Iterator[NdesHttpServer]:
    """Serves on a loopback port from a thread of its own, for blocking clients and programs."""
    loop = asyncio.new_event_loop()
    server = NdesHttpServer(state.responder, clock=clock)
    thread = threading.Thread(target=loop.run_forever, name="test-server")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        state.publish_at(server.base_url)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        state.close()
