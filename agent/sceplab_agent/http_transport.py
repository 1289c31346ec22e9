"""Blocking HTTP over the standard library: the firmware-side default.

One connection per exchange (``Connection: close``), always a Content-Length, never ``Expect``, no
redirect followed, no proxy variable read, no compression accepted.

Spec: checklist 20, C-46.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import SplitResult

from sceplab_agent.core.events import FailureCause
from sceplab_agent.deadline_socket import DeadlineSocket
from sceplab_agent.errors import (
    ConnectionClosedError,
    NoAnswerError,
    TransportError,
    TransportTimeoutError,
    UnusableReplyError,
)
from sceplab_agent.transport import HttpLimits, HttpResponse
from sceplab_agent.url import UrlError, split_url

_READ_BYTES = 65_536


class StdlibTransport:
    """`HttpTransport` over `http.client`.

    Args:
        limits: timeouts and the reply's size.
        tls_ca_file: PEM file with the certificates that https servers are checked against;
            ``None``: those of the operating system. The SCEP trust anchor has no say in it.
        user_agent: header of that name; empty: none is sent.
        monotonic: clock for the limits, seconds.
    """

    def __init__(
        self,
        limits: HttpLimits | None = None,
        *,
        tls_ca_file: Path | None = None,
        user_agent: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits or HttpLimits()
        self._tls_ca_file = tls_ca_file
        self._user_agent = user_agent
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_closed = False

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`."""
        try:
            parts = split_url(url)
        except UrlError as error:
            raise TransportError(
                str(error), is_retryable=False, cause=FailureCause.CONFIGURATION
            ) from error
        sent = dict(headers or {})
        sent["Connection"] = "close"
        if self._user_agent:
            sent.setdefault("User-Agent", self._user_agent)
        if body is not None and content_type is not None:
            sent["Content-Type"] = content_type
        deadline = self._monotonic() + self._limits.total_timeout_s
        where = _address(parts)
        with self._connected(parts, deadline) as connection, _typed_errors(where):
            client = http.client.HTTPConnection(parts.hostname or "", _port(parts))
            # A connection that has a socket does not open one.
            client.sock = cast("socket.socket", self._guard(connection, deadline))
            _send(client, method, parts, headers=sent, body=body)
            return self._receive(client)

    def close(self) -> None:
        """Breaks every exchange off and refuses further ones. Safe from any thread."""
        with self._lock:
            self._is_closed = True
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it is gone already

    def _guard(self, connection: socket.socket, deadline: float) -> DeadlineSocket:
        return DeadlineSocket(
            connection,
            read_timeout_s=self._limits.read_timeout_s,
            deadline=deadline,
            monotonic=self._monotonic,
        )

    def _receive(self, client: http.client.HTTPConnection) -> HttpResponse:
        try:
            response = client.getresponse()
        except ConnectionResetError as error:
            # Closed as well as reset. No body had begun, so nothing of one is lost.
            raise NoAnswerError("the server closed the connection without an answer") from error
        try:
            return HttpResponse(
                status=response.status,
                content_type=response.headers.get("Content-Type", ""),
                body=self._read_body(response),
                headers={name.lower(): value for name, value in response.headers.items()},
            )
        finally:
            response.close()

    def _read_body(self, response: http.client.HTTPResponse) -> bytes:
        limit = self._limits.max_reply_bytes
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding.strip().lower() != "identity":
            raise UnusableReplyError(
                f"the reply is compressed ({encoding[:20]}), which nobody asked"
            )
        too_long = UnusableReplyError(f"the reply is longer than the limit of {limit} bytes")
        if response.length is not None and response.length > limit:
            raise too_long
        body = bytearray()
        while chunk := response.read(min(_READ_BYTES, limit + 1 - len(body))):
            body += chunk
            if len(body) > limit:
                raise too_long
        if response.length:
            # `read(n)` of http.client is silent about a connection that ends early.
            raise ConnectionClosedError(
                f"the reply is truncated: {response.length} of the announced bytes are missing"
            )
        return bytes(body)

    @contextmanager
    def _connected(self, parts: SplitResult, deadline: float) -> Iterator[socket.socket]:
        where = _address(parts)
        with _typed_errors(where, "connecting to "):
            left_s = max(0.001, deadline - self._monotonic())
            connection = socket.create_connection(
                (parts.hostname or "", _port(parts)), min(self._limits.connect_timeout_s, left_s)
            )
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if parts.scheme == "https":
                    connection = self._tls_context().wrap_socket(
                        connection, server_hostname=parts.hostname
                    )
            except BaseException:
                connection.close()
                raise
        try:
            with self._lock:
                if self._is_closed:
                    raise ConnectionClosedError("the transport is closed")
                self._open.add(connection)
            yield connection
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _tls_context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._tls_ca_file)
        except (OSError, ssl.SSLError) as error:
            raise TransportError(
                f"the TLS trust file {self._tls_ca_file} cannot be used: {error}",
                is_retryable=False,
                cause=FailureCause.CONFIGURATION,
            ) from error


def _send(
    client: http.client.HTTPConnection,
    method: str,
    parts: SplitResult,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
) -> None:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    client.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    client.putheader("Host", _host_header(parts))
    for name, value in headers.items():
        client.putheader(name, value)
    if body is not None:
        client.putheader("Content-Length", str(len(body)))
    client.endheaders(body)


@contextmanager
def _typed_errors(where: str, doing: str = "") -> Iterator[None]:
    """Turns what sockets, TLS and `http.client` raise into transport errors."""
    try:
        yield
    except TransportError:
        raise
    except TimeoutError as error:
        raise TransportTimeoutError(f"{doing}{where}: no answer in time") from error
    except ssl.SSLCertVerificationError as error:
        raise TransportError(
            f"{where}: the TLS certificate is not trusted: {error.verify_message}; "
            "name the right host, or the server's CA in tls_ca_file",
            is_retryable=False,
            cause=FailureCause.TRUST,
        ) from error
    except ssl.SSLError as error:
        reason = error.reason or "protocol error"
        raise TransportError(
            f"{where}: TLS failed ({reason}); is this an https port?", is_retryable=True
        ) from error
    except socket.gaierror as error:
        raise TransportError(
            f"{where}: the name cannot be resolved: {error.strerror}", is_retryable=True
        ) from error
    except (ConnectionResetError, BrokenPipeError, http.client.IncompleteRead) as error:
        raise ConnectionClosedError(
            f"{where}: the server closed the connection before a complete answer"
        ) from error
    except OSError as error:
        raise TransportError(
            f"{doing}{where}: {error.strerror or error}", is_retryable=True
        ) from error
    except http.client.HTTPException as error:
        raise UnusableReplyError(
            f"{where}: the answer is not HTTP ({type(error).__name__})"
        ) from error
    except ValueError as error:
        # http.client refuses control characters and text outside Latin-1 this way.
        raise TransportError(
            f"{where}: the request cannot be written: {error}",
            is_retryable=False,
            cause=FailureCause.CONFIGURATION,
        ) from error


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _address(parts: SplitResult) -> str:
    return f"{parts.hostname}:{_port(parts)}"


def _host_header(parts: SplitResult) -> str:
    host = parts.hostname or ""
    literal = f"[{host}]" if ":" in host else host
    return literal if parts.port is None else f"{literal}:{parts.port}"
