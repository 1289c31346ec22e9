"""What the agent needs of HTTP: one blocking and one asynchronous Protocol, and the values between.

The standard-library implementation is `http_transport`; the lab brings an in-memory one and one
over aiohttp. A transport reports every HTTP status as a response; only the absence of a complete
answer is an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

MAX_REPLY_BYTES = 1_048_576
"""Default cap of a reply. A CertRep with a chain of 4096-bit certificates has about 10 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of one HTTP exchange."""

    connect_timeout_s: float = 10.0
    """For the TCP connection (each address of a name) and the TLS handshake."""
    read_timeout_s: float = 30.0
    """Longest silence of the server."""
    total_timeout_s: float = 90.0
    """The whole exchange, however diligently the server drips. Name look-up is not included."""
    max_reply_bytes: int = MAX_REPLY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A complete answer."""

    status: int
    content_type: str = ""
    """As received, with its parameters; empty when absent. Nothing is decided by it."""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; of a repeated header the last value."""


class HttpTransport(Protocol):
    """Blocking HTTP. An implementation may be used by several threads at once."""

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Sends one request and waits for the complete answer. Redirects are not followed.

        Args:
            method: ``GET`` or ``POST``.
            url: sent exactly as given; it is escaped already.
            body: POST only; always announced by Content-Length.
            content_type: of the body.
            headers: further request headers.

        Raises:
            TransportError: no complete answer, or one beyond the limits.
        """


class AsyncHttpTransport(Protocol):
    """The same for an event loop."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`. Cancelling it abandons the exchange."""


class ThreadedTransport:
    """A blocking transport for an event loop: each request runs in a thread of a pool of its own.

    A cancelled request leaves its thread behind, which ends with the transport's own limits, or
    when that transport is closed.

    Args:
        transport: usable by several threads.
        max_requests: requests at a time; more wait their turn.
    """

    def __init__(self, transport: HttpTransport, *, max_requests: int = 32) -> None:
        self._transport = transport
        self._pool = ThreadPoolExecutor(max_requests, thread_name_prefix="sceplab-http")

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`."""
        call = partial(
            self._transport.request,
            method,
            url,
            body=body,
            content_type=content_type,
            headers=headers,
        )
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Waits for the requests under way; close the blocking transport before, to end them."""
        self._pool.shutdown(cancel_futures=True)
