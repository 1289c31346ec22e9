"""Consoles on real sockets: raw TCP and Telnet, many at once, and every way to end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines import LineServer, parse_endpoint, serve
from sceplab_devices.lines.listening import is_loopback
from sceplab_devices.profile import DeviceProfile
from tests.support.line_rack import PATIENCE_S, Rack

OPENING = bytes.fromhex("fffb01fffb03fffd1f")


@pytest.fixture
async def rack(sample_profile: DeviceProfile) -> AsyncIterator[Rack]:
    """A device whose console line needs no Return."""
    rack = Rack(sample_profile)
    yield rack
    await rack.close()
    assert rack.device.consoles == []


async def test_a_raw_line_carries_the_console_bytes(rack: Rack) -> None:
    """No negotiation; the idle screen, Return, a command."""
    client = await rack.client(await rack.line("tcp"))
    assert (await client.until(b"started.\r\n")).startswith(b"\r\nbox con0 is now available")
    assert await client.exchange(b"\r\n") == b"\r\nbox>"
    assert await client.exchange(b"sh ver\r\n") == b"sh ver\r\nSample OS 1.0 on box\r\nbox>"


async def test_a_telnet_line_negotiates_and_talks(rack: Rack) -> None:
    """Negotiation goes out at once, before the prompt, whether or not the client answers."""
    client = await rack.client(await rack.line("telnet"))
    assert await client.until(b">") == OPENING + b"box>"
    assert await client.exchange(bytes.fromhex("fffd01fffd03fffc1f") + b"\r\x00") == (
        bytes.fromhex("fffe1f") + b"\r\nbox>"
    )
    assert await client.exchange(b"echo a\xff\xffb\r\n") == b"echo ab\r\nab\r\nbox>"


async def test_the_window_size_sets_width_and_page(rack: Rack) -> None:
    """As a person's client tells it."""
    client = await rack.client(await rack.line("telnet"))
    await client.until(b">")
    await client.exchange(bytes.fromhex("fffb1ffffa1f0064 0005 fff0") + b"\r\n")
    assert rack.device.consoles[0].session.width == 100
    answer = await client.exchange(b"show lines 9\r\n", end=b"--More-- ")
    assert answer.count(b"line ") == 4


async def test_sessions_get_the_lowest_free_number(rack: Rack) -> None:
    """And know the peer's address."""
    server = await rack.line("telnet")
    for _ in range(3):
        await (await rack.client(server)).until(b">")
    assert [console.session.line.name for console in rack.device.consoles] == [
        "vty0", "vty1", "vty2",
    ]  # fmt: skip
    rack.clients[1].close()
    await rack.ended()
    await (await rack.client(server)).until(b">")
    assert rack.device.consoles[-1].session.line.name == "vty1"
    assert rack.device.consoles[-1].session.line.peer == "127.0.0.1"


async def test_more_sessions_than_the_platform_has_are_dropped(rack: Rack) -> None:
    """The others go on."""
    server = await rack.line("tcp")
    for _ in range(4):
        await (await rack.client(server)).until(b"started.\r\n")
    assert await (await rack.client(server)).rest() == b""
    assert await rack.clients[0].exchange(b"\r") == b"\r\nbox>"


async def test_exit_hangs_up_a_telnet_session(rack: Rack) -> None:
    """After the last output."""
    client = await rack.client(await rack.line("telnet"))
    await client.until(b">")
    client.writer.write(b"exit\r\n")
    assert await client.rest() == b"exit\r\n"
    await rack.ended()


async def test_a_client_may_vanish_in_mid_dialog(rack: Rack) -> None:
    """With a reset; the handler is cleaned up and the line serves the next client."""
    server = await rack.line("telnet")
    client = await rack.client(server)
    await client.until(b">")
    await client.exchange(b"wait TP\r", end=b"... ")
    client.writer.transport.abort()
    await rack.ended()
    assert rack.device.left == ["wait"]
    assert (await (await rack.client(server)).until(b">")).endswith(b"box>")


async def test_events_and_log_lines_reach_the_socket_without_typing(rack: Rack) -> None:
    """What a dialog waited for, and what another session logs."""
    server = await rack.line("telnet")
    first, second = await rack.client(server), await rack.client(server)
    await first.until(b">")
    await second.until(b">")
    await second.exchange(b"terminal monitor\r")
    await first.exchange(b"wait TP\r", end=b"... ")
    rack.port.publish("pending", "TP")
    assert await first.until(b">") == b"pending\r\nbox>"
    await first.exchange(b"say hello\r")
    assert await second.until(b"hello\r\n") == b"\r\nhello\r\n"


async def test_a_deadline_is_kept_without_typing(rack: Rack) -> None:
    """The line wakes its console, and looks again while the device's clock stands still."""
    client = await rack.client(await rack.line("telnet"))
    await client.until(b">")
    console = rack.device.consoles[0]
    console.session.exec_timeout_s = 0.02
    await client.exchange(b"\r")
    async with asyncio.timeout(PATIENCE_S):
        await rack.clock.read_often(10)
    assert not console.is_closed
    rack.clock.advance(1)
    assert await client.rest() == b""
    assert console.is_closed


async def test_a_paste_of_long_outputs_arrives_completely(rack: Rack) -> None:
    """Far more than any buffer, in order, though the client reads late."""
    client = await rack.client(await rack.line("telnet"))
    await client.until(b">")
    await client.exchange(b"terminal length 0\r")
    client.writer.write(b"show lines 5000\r" * 60 + b"exit\r")
    answer = await client.rest()
    assert answer.count(b"line 5000\r\n") == 60
    assert answer.endswith(b"box>exit\r\n")


async def test_a_client_that_never_reads_holds_up_nobody(rack: Rack) -> None:
    """Its session waits; the other answers; closing the line does not wait for it."""
    server = await rack.line("telnet")
    stuck, other = await rack.client(server), await rack.client(server)
    await stuck.until(b">")
    await other.until(b">")
    stuck.writer.transport.pause_reading()
    stuck.writer.write(b"terminal length 0\r" + b"show lines 5000\r" * 200)
    assert (await other.exchange(b"sh ver\r")).endswith(b"box>")
    async with asyncio.timeout(PATIENCE_S):
        await server.close()


async def test_closing_a_line_leaves_no_task_and_no_session(
    rack: Rack, caplog: pytest.LogCaptureFixture
) -> None:
    """In mid-dialog, in mid-page, idle; nothing is logged as an error."""
    server = await rack.line("telnet")
    for keys, end in ((b"", b">"), (b"wait TP\r", b"... "), (b"show lines 99\r", b"--More-- ")):
        client = await rack.client(server)
        await client.until(b">")
        if keys:
            await client.exchange(keys, end)
    before = asyncio.all_tasks()
    await server.close()
    await server.close()
    assert rack.device.consoles == []
    assert asyncio.all_tasks() <= before
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_taken_port_is_a_clear_error(rack: Rack) -> None:
    """It names the endpoint and the next step."""
    server = await rack.line("tcp")
    with pytest.raises(EndpointError, match="is in use; choose another one, or 0") as caught:
        await serve(rack.device, str(server.endpoint))
    assert caught.value.endpoint == str(server.endpoint)


async def test_a_port_is_taken_before_there_is_a_device(rack: Rack) -> None:
    """Nobody can connect until the line serves one; two lines do not share a port."""
    first = LineServer(parse_endpoint("tcp:127.0.0.1:0"))
    await first.bind()
    rack.servers.append(first)
    assert first.is_loopback
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", first.endpoint.port)
    second = LineServer(first.endpoint)
    rack.servers.append(second)
    with pytest.raises(EndpointError, match="the port is in use"):
        await _bind_and_serve(second, rack, first)


async def _bind_and_serve(line: LineServer, rack: Rack, other: LineServer) -> None:
    """The system may let two bind as long as none listens; then the second to listen loses."""
    await line.bind()
    await other.serve(rack.device)
    await line.serve(rack.device)


async def test_a_reload_ends_sessions_and_brings_the_new_device(rack: Rack) -> None:
    """On the same port; while the box is down, connections end at once."""
    server = await rack.line("telnet")
    client = await rack.client(server)
    await client.until(b">")
    server.swap(None)
    assert await client.rest() == b""
    assert await (await rack.client(server)).rest() == b""
    server.swap(rack.reload())
    assert await (await rack.client(server)).until(b">") == OPENING + b"new>"


@pytest.mark.parametrize(
    ("address", "only_here"),
    [
        ("127.0.0.1", True), ("127.5.5.5", True), ("::1", True),
        ("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("fe80::1%eth0", False),
    ],
)  # fmt: skip
def test_addresses_that_others_reach_are_told_apart(address: str, only_here: bool) -> None:
    """Loopback addresses are for this machine alone."""
    assert is_loopback(address) == only_here


def test_a_loop_that_ends_with_open_connections_stays_silent(
    sample_profile: DeviceProfile, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nobody dropped the connections: the loop's end cancels their tasks without a traceback."""

    async def abandoned() -> None:
        rack = Rack(sample_profile)
        server = await rack.line("telnet")
        client = await rack.client(server)
        await client.until(b">")
        client.writer.close()
        assert isinstance(server, LineServer)
        assert server._server is not None
        server._server.close()

    asyncio.run(abandoned())
    assert capfd.readouterr().err == ""
