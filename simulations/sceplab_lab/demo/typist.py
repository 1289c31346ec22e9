"""Somebody at a Telnet console: types like a person, reads like one, waits for what comes next."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from sceplab_devices.lines.telnet import TelnetCodec
from sceplab_lab.errors import DemoError

PATIENCE_S = 30.0
"""How long the typist waits for an expected text, real seconds."""


class Typist:
    r"""One Telnet session.

    Args:
        show: gets every piece of text the console prints, line ends as ``\\n``.
        pause_s: between two keys, seconds; 0 sends whole lines at once.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        show: Callable[[str], None],
        pause_s: float = 0.0,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._show = show
        self._pause_s = pause_s
        # A terminal that agrees silently: what the console offers is what it wants anyway.
        self._codec = TelnetCodec(lambda _columns, _rows: None)
        self._unread = ""
        self._held_cr = False

    @classmethod
    async def connect(
        cls, host: str, port: int, *, show: Callable[[str], None], pause_s: float = 0.0
    ) -> Typist:
        """Opens the session; the console's greeting is not read yet."""
        reader, writer = await asyncio.open_connection(host, port)
        return cls(reader, writer, show=show, pause_s=pause_s)

    async def expect(self, pattern: str) -> str:
        """Reads until ``pattern`` (a regular expression) matches; the text up to its end.

        Raises:
            DemoError: it did not come in time, or the console closed.
        """
        compiled = re.compile(pattern)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (match := compiled.search(self._unread)) is None:
                    await self._read_more(pattern)
        except TimeoutError as error:
            tail = self._unread[-200:]
            raise DemoError(
                f"the console did not show {pattern!r}; its last words: {tail!r}"
            ) from error
        seen, self._unread = self._unread[: match.end()], self._unread[match.end() :]
        return seen

    async def type(self, text: str) -> None:
        """Types a line and presses Enter."""
        for key in text if self._pause_s else (text,):
            self._writer.write(key.encode())
            await self._writer.drain()
            await asyncio.sleep(self._pause_s)
        self._writer.write(b"\r")
        await self._writer.drain()

    async def enter(self, text: str, *, then: str) -> str:
        """Types a line and waits for ``then``; what the console printed in between."""
        await self.type(text)
        return await self.expect(then)

    async def close(self) -> None:
        """Hangs up."""
        self._writer.close()
        await self._writer.wait_closed()

    async def _read_more(self, pattern: str) -> None:
        data = await self._reader.read(4096)
        if not data:
            raise DemoError(f"the console closed while {pattern!r} was expected")
        typed, _answer = self._codec.decode(data)
        text = ("\r" if self._held_cr else "") + typed.decode("latin-1")
        self._held_cr = text.endswith("\r")
        text = text.removesuffix("\r").replace("\r\n", "\n").replace("\r\0", "\r")
        self._unread += text
        self._show(text)
