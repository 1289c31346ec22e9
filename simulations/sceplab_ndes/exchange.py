"""HTTP requests and responses as values. No socket here; any shell can fill and send them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ScepHttpRequest:
    """What a client sent."""

    method: str
    path: str
    """Path as received, before the question mark; percent-escapes still in it."""
    raw_query: str = ""
    """Query as received: nothing decoded, so that a plus sign is still a plus sign."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header names in lower case."""
    body: bytes = b""
    peer: str = ""
    """Address of the client, for the log; empty in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScepHttpResponse:
    """What the server answers."""

    status: int
    headers: Mapping[str, str]
    body: bytes
