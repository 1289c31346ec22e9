"""Answers local clients of a running agent: one request of one line of JSON for each connection.

A client that says ``GET /metrics`` instead is answered in HTTP, here and on the metrics port.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping

from sceplab_agent.daemon.control_socket import MAX_LINE_BYTES, is_allowed
from sceplab_agent.daemon.metrics import CONTENT_TYPE
from sceplab_agent.errors import AgentError
from sceplab_agent.exit_codes import ExitCode

Request = Mapping[str, object]
Operation = Callable[[Request], AsyncIterator[Mapping[str, object]]]
"""Gives the lines of its answer, the last one with ``ok``."""

REQUEST_S = 10.0
"""How long a client may take for its request, and for reading a line of the answer."""
MAX_CLIENTS = 64
_MAX_HEADER_LINES = 100


class ControlServer:
    """Serves connections of one listening socket.

    Args:
        operations: by name; none: the socket answers HTTP only.
        metrics: the text of ``/metrics``.
    """

    def __init__(self, operations: Mapping[str, Operation], metrics: Callable[[], str]) -> None:
        self._operations = operations
        self._metrics = metrics
        self._clients: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listening(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serves the socket as long as the block runs, then closes it."""
        server = await asyncio.start_server(self._accept, sock=listener, limit=MAX_LINE_BYTES)
        try:
            yield
        finally:
            server.close()
            clients = list(self._clients)
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            with contextlib.suppress(TimeoutError, OSError, ValueError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._clients.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        if connection.family == socket.AF_UNIX and not is_allowed(connection):
            return await _send(writer, _refusal("only the agent's own user and root may ask"))
        if len(self._clients) > MAX_CLIENTS:
            return await _send(writer, _refusal("too many clients; try again"))
        async with asyncio.timeout(REQUEST_S):
            line = await reader.readline()
        if line.startswith((b"GET ", b"HEAD ", b"POST ")):
            return await self._answer_http(line, reader, writer)
        answering = asyncio.ensure_future(self._answer(line, writer))
        # Nothing more is to come: whatever does, the end of the connection too, ends the answer.
        hanging_up = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait([answering, hanging_up], return_when=asyncio.FIRST_COMPLETED)
        finally:
            answering.cancel()
            hanging_up.cancel()
            await asyncio.gather(answering, hanging_up, return_exceptions=True)
        return None

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        request = _parse(line)
        operation = self._operations.get(str(request.get("op"))) if request else None
        if request is None or operation is None:
            known = ", ".join(self._operations)
            await _send(writer, _refusal(f"a request is one JSON object with an op of: {known}"))
            return
        try:
            async for reply in operation(request):
                await _send(writer, reply)
        except AgentError as error:
            await _send(writer, _refusal(str(error), error.exit_code))

    async def _answer_http(
        self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async with asyncio.timeout(REQUEST_S):
            for _ in range(_MAX_HEADER_LINES):
                if not (await reader.readline()).strip():
                    break
        words = line.split()
        if words[:2] == [b"GET", b"/metrics"]:
            status, body = "200 OK", self._metrics()
        else:
            status, body = "404 Not Found", "only GET /metrics is here\n"
        content = body.encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\n"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + content)
        async with asyncio.timeout(REQUEST_S):
            await writer.drain()


def _parse(line: bytes) -> Request | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refusal(text: str, code: ExitCode = ExitCode.FAILED) -> Mapping[str, object]:
    return {"ok": False, "exit_code": int(code), "error": text}


async def _send(writer: asyncio.StreamWriter, reply: Mapping[str, object]) -> None:
    writer.write(json.dumps(reply, ensure_ascii=False).encode() + b"\n")
    async with asyncio.timeout(REQUEST_S):
        await writer.drain()
