"""One router on SSH, Telnet and a serial cable at once: one box, one state."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from sceplab_devices.device import Device
from sceplab_devices.lines import Line, serve
from sceplab_devices.profile import open_profile
from tests.support.consoles import IdlePort, ManualClock
from tests.support.line_rack import PATIENCE_S, Client, TerminalClient


@pytest.fixture
async def router() -> Device:
    """A router without an engine."""
    return open_profile("cisco-ios").new_device(
        port=IdlePort(),  # type: ignore[arg-type]
        clock=ManualClock(),
        hostname="R1",
    )


@pytest.fixture
async def lines(router: Device, tmp_path: Path) -> AsyncIterator[dict[str, Line]]:
    """Its lines."""
    endpoints = ("ssh:127.0.0.1:0?auth=none", "telnet:127.0.0.1:0", f"pty:{tmp_path}/ttyR1")
    opened = [await serve(router, endpoint, keys_dir=tmp_path) for endpoint in endpoints]
    yield {line.endpoint.kind: line for line in opened}
    for line in opened:
        await line.close()
    assert router.consoles == []


async def test_what_is_typed_on_one_line_is_seen_on_the_others(
    router: Device, lines: dict[str, Line]
) -> None:
    """Configuration, log lines where logging is shown, and who is there."""
    cable = TerminalClient.open(lines["pty"].endpoint.path)
    telnet = Client(*await asyncio.open_connection("127.0.0.1", lines["telnet"].endpoint.port))
    async with asyncio.timeout(PATIENCE_S), asyncssh.connect(
        "127.0.0.1", lines["ssh"].endpoint.port,
        username="op", known_hosts=None, config=None, client_keys=None,
    ) as conn:  # fmt: skip
        shell = await conn.create_process(term_type="vt100", encoding=None)
        await shell.stdout.readuntil(b"R1>")
        await telnet.until(b"R1>")
        await cable.exchange(b"\r", end=b"R1>")
        assert sorted(console.session.line.name for console in router.consoles) == [
            "con0", "vty0", "vty1",
        ]  # fmt: skip

        await telnet.exchange(b"enable\r", end=b"R1#")
        await telnet.exchange(b"configure terminal\rhostname R2\r", end=b"R2(config)#")
        shell.stdin.write(b"\r")
        assert await shell.stdout.readuntil(b"R2>") == b"\r\nR2>"
        await telnet.exchange(b"end\r", end=b"R2#")
        shown = await cable.until(b"SYS-5-CONFIG_I: Configured from console by vty")
        assert b"%" in shown
        shell.stdin.write(b"show users\r")
        users = await shell.stdout.readuntil(b"R2>")
        assert b"CONFIG_I" not in users
        assert b"vty 0" in users
        assert b"vty 1" in users
    cable.close()
    telnet.close()
