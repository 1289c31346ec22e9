"""Logs in at consoles and types commands on all of them at once; the same for every server.

Reads an order as JSON from standard input (`Order`), prints what it measured as one line of JSON.
With ``hold`` it prints ``{"ready": N}`` once it is logged in everywhere, and waits for a line.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

_PROMPT = re.compile(rb"(?:^|\n)([\w.-]+[>#]) ?$")
_READ_BYTES = 65536
_PATIENCE_S = 120.0
_LOGINS_AT_ONCE = 16


@dataclass
class Order:
    """What to do."""

    kind: str
    """``ssh`` or ``tcp``."""
    places: list[tuple[str, int]]
    """Host and port of each session; several sessions may share one."""
    user: str = ""
    password: str = ""
    prepare: list[str] = field(default_factory=list)
    """Typed once after the login."""
    commands: list[str] = field(default_factory=list)
    rounds: int = 1
    """How often each session types all commands."""
    hold: bool = False


class Stream(Protocol):
    """A terminal's bytes."""

    async def read(self) -> bytes:
        """What came next; empty at the end."""

    def write(self, data: bytes) -> None:
        """Types."""


class TcpStream:
    """A raw TCP console."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """See `Stream.read`."""
        return await self._reader.read(_READ_BYTES)

    def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        self._writer.write(data)


class SshStream:
    """An SSH session with a terminal."""

    def __init__(self, process: object) -> None:
        self._process = process

    async def read(self) -> bytes:
        """See `Stream.read`."""
        return await self._process.stdout.read(_READ_BYTES)  # type: ignore[attr-defined]

    def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        self._process.stdin.write(data)  # type: ignore[attr-defined]


class Terminal:
    """Types a line and waits for the next prompt."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def until_prompt(self) -> None:
        """Reads up to a prompt at the end of what was received."""
        seen = b""
        while not _PROMPT.search(seen):
            data = await asyncio.wait_for(self._stream.read(), _PATIENCE_S)
            if not data:
                raise EOFError("the console hung up")
            seen = (seen + data)[-4096:]

    async def run(self, line: str) -> float:
        """Seconds from Enter to the prompt behind the output."""
        self._stream.write(line.encode())
        begin = time.perf_counter()
        self._stream.write(b"\r")
        await self.until_prompt()
        return time.perf_counter() - begin


async def open_stream(order: Order, host: str, port: int) -> Stream:
    """Connects and logs in."""
    if order.kind == "tcp":
        reader, writer = await asyncio.open_connection(host, port)
        return TcpStream(reader, writer)
    import asyncssh

    connection = await asyncssh.connect(
        host, port, username=order.user, password=order.password, known_hosts=None,
        client_keys=None, agent_path=None, config=None, login_timeout=_PATIENCE_S,
    )  # fmt: skip
    process = await connection.create_process(term_type="vt100", encoding=None)
    return SshStream(process)


async def open_terminal(order: Order, place: tuple[str, int], gate: asyncio.Semaphore) -> Terminal:
    """A terminal ready to type commands on."""
    async with gate:
        stream = await open_stream(order, *place)
        terminal = Terminal(stream)
        if order.kind == "tcp":
            stream.write(b"\r")  # the idle screen of a console
        await terminal.until_prompt()
        for line in order.prepare:
            await terminal.run(line)
    return terminal


async def work(terminal: Terminal, order: Order) -> list[float]:
    """All rounds of one session."""
    return [await terminal.run(line) for _ in range(order.rounds) for line in order.commands]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def carry_out(order: Order) -> dict[str, float]:
    """Logs in everywhere, then types."""
    gate = asyncio.Semaphore(_LOGINS_AT_ONCE)
    begin = time.perf_counter()
    terminals = await asyncio.gather(*(open_terminal(order, place, gate) for place in order.places))
    logged_in = time.perf_counter()
    if order.hold:
        print(json.dumps({"ready": len(terminals)}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    began = time.perf_counter()
    took = await asyncio.gather(*(work(terminal, order) for terminal in terminals))
    seconds = time.perf_counter() - began
    flat = [value for values in took for value in values]
    if not flat:
        return {"login_s": logged_in - begin}
    return {
        "login_s": logged_in - begin,
        "commands": len(flat),
        "commands_per_s": len(flat) / seconds,
        "p50_s": quantile(flat, 0.5),
        "p95_s": quantile(flat, 0.95),
    }


def main() -> int:
    """Carries out the order."""
    order = Order(**json.loads(sys.stdin.readline()))
    order.places = [(host, port) for host, port in order.places]
    print(json.dumps(asyncio.run(carry_out(order))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
