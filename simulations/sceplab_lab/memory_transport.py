"""The agent's transport and the server's responder joined without a network.

The same bytes as over HTTP, in one thread and at any speed of time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from sceplab_agent.transport import HttpResponse
from sceplab_ndes.exchange import ScepHttpRequest
from sceplab_ndes.responder import Responder


class MemoryTransport:
    """Implements `sceplab_agent.transport.HttpTransport` by calling a responder.

    Args:
        responder: answers.
        clock: the server's time, aware UTC.
    """

    def __init__(self, responder: Responder, clock: Callable[[], datetime]) -> None:
        self._responder = responder
        self._clock = clock

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`. Every host leads to the same responder."""
        parts = urlsplit(url)
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        sent.setdefault("host", parts.netloc)
        if content_type is not None:
            sent["content-type"] = content_type
        answered = self._responder.respond(
            ScepHttpRequest(
                method=method,
                path=parts.path,
                raw_query=parts.query,
                headers=sent,
                body=body or b"",
                peer="memory",
            ),
            self._clock(),
        )
        received = {name.lower(): value for name, value in answered.headers.items()}
        return HttpResponse(
            status=answered.status,
            content_type=received.get("content-type", ""),
            body=answered.body,
            headers=received,
        )
