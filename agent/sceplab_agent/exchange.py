"""Work that pauses for HTTP: generators that yield requests and are sent the answers.

The same protocol code so runs under a blocking driver, an event loop and virtual time. Between two
requests such a generator may do what blocks for a short while: cryptography, journal, key store.
Who runs it decides in which thread.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

from sceplab_agent.errors import TransportError
from sceplab_agent.transport import AsyncHttpTransport, HttpResponse, HttpTransport

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request an exchange wants to have sent."""

    method: str
    url: str
    body: bytes | None = None
    content_type: str | None = None


Exchange = Generator[HttpRequest, HttpResponse, T]
"""Yields requests; a `TransportError` is thrown into it where no answer came."""

Answer = HttpResponse | TransportError | None
"""What an exchange is continued with; ``None`` starts it."""


@dataclass(frozen=True, slots=True)
class Finished(Generic[T]):
    """An exchange has come to its end."""

    value: T


def advance(exchange: Exchange[T], answer: Answer) -> HttpRequest | Finished[T]:
    """Runs an exchange up to its next request or its end."""
    try:
        if isinstance(answer, TransportError):
            return exchange.throw(answer)
        if answer is None:
            return next(exchange)
        return exchange.send(answer)
    except StopIteration as end:
        return Finished(end.value)


def ask(transport: HttpTransport, request: HttpRequest) -> HttpResponse | TransportError:
    """The answer to one request, or why there is none."""
    try:
        return transport.request(
            request.method, request.url, body=request.body, content_type=request.content_type
        )
    except TransportError as error:
        return error


async def ask_async(
    transport: AsyncHttpTransport, request: HttpRequest
) -> HttpResponse | TransportError:
    """The same in an event loop."""
    try:
        return await transport.request(
            request.method, request.url, body=request.body, content_type=request.content_type
        )
    except TransportError as error:
        return error


def run_exchange(exchange: Exchange[T], transport: HttpTransport) -> T:
    """Runs an exchange to its end over a blocking transport."""
    step = advance(exchange, None)
    while not isinstance(step, Finished):
        step = advance(exchange, ask(transport, step))
    return step.value
