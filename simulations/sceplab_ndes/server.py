"""HTTP around the responder: aiohttp, nothing decided here.

Requests are answered in a few threads, because the cryptography in them releases the interpreter
and the depot waits for the disk. The responder allows that.

Spec: checklist 19, 20; NDES 12 (the emulated limits are the responder's).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from aiohttp import web

from sceplab_ndes.exchange import ScepHttpRequest, ScepHttpResponse
from sceplab_ndes.listening import refused_address
from sceplab_ndes.responder import Responder

_LOG = logging.getLogger(__name__)
_MAX_LINE_BYTES = 262_144
_THREADS = 4


class NdesHttpServer:
    """Serves one responder on one port.

    Args:
        responder: answers the requests.
        clock: current time, aware UTC.
        host: address to listen on.
        port: 0 lets the system choose; read ``port`` after the start.
        sockets: bound to that address already (see `taken_address`); ``None`` binds at the start.
    """

    def __init__(
        self,
        responder: Responder,
        *,
        clock: Callable[[], datetime],
        host: str = "127.0.0.1",
        port: int = 0,
        sockets: Sequence[socket.socket] | None = None,
    ) -> None:
        self._responder = responder
        self._clock = clock
        self._host = host
        self._wanted_port = port
        self._sockets = sockets
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ndes")
        self._runner: web.AppRunner | None = None
        self.port = port

    @property
    def base_url(self) -> str:
        """URL of the server without a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def scep_url(self) -> str:
        """URL to give to devices."""
        return self.base_url + "/certsrv/mscep/mscep.dll"

    @property
    def admin_url(self) -> str:
        """URL of the page that hands out passwords."""
        return self.base_url + "/certsrv/mscep_admin/"

    async def start(self) -> None:
        """Begins to listen.

        Raises:
            AddressError: the address cannot be had.
        """
        warning = exposure_warning(self._host)
        if warning:
            _LOG.warning("%s", warning)
        app = web.Application(client_max_size=self._responder.profile.http.max_body_bytes)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            app,
            access_log=None,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
        )
        await runner.setup()
        self._runner = runner
        try:
            for site in self._sites(runner):
                await site.start()
        except OSError as error:
            await self.stop()
            raise refused_address(self._host, self._wanted_port, error) from error
        self.port = runner.addresses[0][1]

    def _sites(self, runner: web.AppRunner) -> list[web.BaseSite]:
        if self._sockets is None:
            return [web.TCPSite(runner, self._host, self._wanted_port)]
        return [web.SockSite(runner, taken) for taken in self._sockets]

    async def stop(self) -> None:
        """Stops listening and lets requests in hand end. Twice is harmless."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._threads.shutdown(wait=True)

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except ConnectionResetError:
            return web.Response(status=400)  # the device is gone and reads no answer
        answered = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._respond, request, body
        )
        return web.Response(
            status=answered.status, headers=dict(answered.headers), body=answered.body
        )

    def _respond(self, request: web.Request, body: bytes) -> ScepHttpResponse:
        return self._responder.respond(
            ScepHttpRequest(
                method=request.method,
                path=request.rel_url.raw_path,
                raw_query=request.rel_url.raw_query_string,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=body,
                peer=request.remote or "",
            ),
            self._clock(),
        )


def exposure_warning(host: str) -> str:
    """What to tell people who listen on more than the loopback; empty when there is nothing.

    Spec: feature row A6.
    """
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if is_loopback:
        return ""
    return (
        f"listening on {host}: SCEP is meant for closed networks. Whoever reaches this port can "
        "try passwords and read the admin page over plain HTTP; use 127.0.0.1 unless you mean it"
    )
