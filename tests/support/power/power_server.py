"""A real server on a loopback port whose depot can be saved and put back between two runs."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from sceplab_ndes.depot import RequestRecord
from sceplab_ndes.exchange import ScepHttpRequest, ScepHttpResponse
from sceplab_ndes.hierarchy import CaPlan
from sceplab_ndes.server import NdesHttpServer
from sceplab_ndes.settings import ServerProfile
from sceplab_ndes.state import ServerState
from tests.support.power.shared_clock import SharedClock
from tests.support.server import make_server

_SETTINGS: dict[str, Any] = {"template": {"approval": "manual"}}
CA_LIFE = timedelta(days=200)
_PLAN = CaPlan(ca_lifetime_days=CA_LIFE.days, ra_lifetime_days=CA_LIFE.days)
_THINKING = timedelta(seconds=1)
"""How long a request waits before the operator approves it."""


class PowerServer:
    """Stands in front of the server's responder, which changes when a depot is put back.

    Args:
        folder: for the depot; it exists.
        clock: that of the agents, too.
    """

    def __init__(self, folder: Path, clock: SharedClock) -> None:
        self._depot_path = folder / "depot.sqlite3"
        self._clock = clock
        self._lock = threading.Lock()
        self._issues_early = True
        self.state = self._open()
        self.base_url = ""

    @property
    def profile(self) -> ServerProfile:
        """See `Responder`."""
        return self.state.responder.profile

    def respond(self, request: ScepHttpRequest, now: datetime) -> ScepHttpResponse:
        """See `Responder`. The operator approves what has waited for a while."""
        with self._lock:
            for waiting in self.state.administration.pending():
                if waiting.received_at + _THINKING <= now:
                    self.state.administration.approve(waiting.request_id, now)
            return self.state.responder.respond(request, now)

    def save(self, to: Path) -> None:
        """Copies the depot; how the server is set up is not in it."""
        with self._lock:
            self.state.close()
            shutil.copyfile(self._depot_path, to)
            self.state = self._open()

    def put_back(self, saved: Path) -> None:
        """Puts a copy of the depot in its place."""
        with self._lock:
            self.state.close()
            shutil.copyfile(saved, self._depot_path)
            self.state = self._open()

    def requests(self) -> list[RequestRecord]:
        """What the server remembers of requests, once it has answered what is under way."""
        with self._lock:
            return self.state.administration.requests()

    def issued(self) -> list[bytes]:
        """Every certificate it issued to devices, DER, oldest first."""
        with self._lock:
            return [record.certificate for record in self.state.administration.certificates()]

    def roll_over(self, switch_at: datetime, *, issues_early: bool) -> None:
        """The operator prepares the next CA.

        Args:
            switch_at: when it becomes the current one.
            issues_early: whether it issues before.
        """
        with self._lock:
            self.state.rollover(switch_at, self._clock())
            self._issues_early = issues_early
            self.state.close()
            self.state = self._open()

    def anchor(self, number: int) -> x509.Certificate:
        """Root of the CA of that number."""
        with self._lock:
            return self.state.generations.numbered(number).hierarchy.root.certificate

    @contextmanager
    def running(self) -> Iterator[NdesHttpServer]:
        """Listens as long as the block runs."""
        loop = asyncio.new_event_loop()
        server = NdesHttpServer(self, clock=self._clock)  # type: ignore[arg-type]
        thread = threading.Thread(target=loop.run_forever, name="power-server")
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(server.start(), loop).result()
            self.state.publish_at(server.base_url)
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
            self.state.close()

    def _open(self) -> ServerState:
        capabilities = {"next_ca_issues": self._issues_early}
        return make_server(
            settings={**_SETTINGS, "capabilities": capabilities},
            depot_path=self._depot_path,
            plan=_PLAN,
            now=self._clock(),
        )
