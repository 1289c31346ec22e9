"""Serial lines: pseudo-terminals with a name, real ports, speed."""

import asyncio
import os
import pty
import time
import tty
from pathlib import Path

import pytest
import serial

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines import make_line, serve
from sceplab_devices.lines.endpoint import parse_endpoint
from sceplab_devices.lines.pacing import PacedQueue
from sceplab_devices.lines.serial_line import SerialLine
from sceplab_devices.lines.terminal_port import PseudoTerminal
from sceplab_devices.waits import Waits
from tests.support.line_rack import Client, Rack, TerminalClient
from tests.support.waiting import until

OPENING = b"\r\nbox con0 is now available\r\n\r\nPress RETURN to get started.\r\n"


async def test_a_pseudo_terminal_has_a_name_while_the_line_is_open(rack: Rack) -> None:
    """A link to a terminal device; it is gone afterwards."""
    server = await rack.line("pty")
    assert os.readlink(server.endpoint.path).startswith("/dev/pts/")
    assert server.is_loopback
    client = await rack.any_client(server)
    assert await client.take(len(OPENING)) == OPENING
    assert await client.exchange(b"\r") == b"\r\nbox>"
    assert await client.exchange(b"sh ver\r") == b"sh ver\r\nSample OS 1.0 on box\r\nbox>"
    await server.close()
    await server.close()
    with pytest.raises(FileNotFoundError):
        os.readlink(server.endpoint.path)


async def test_a_session_outlives_the_program_on_the_line(rack: Rack) -> None:
    """As on a console cable; exit begins a new session on the same cable."""
    server = await rack.line("pty")
    first = await rack.any_client(server)
    await first.until(b"started.\r\n")
    await first.exchange(b"\renable\r", end=b"box#")
    first.close()
    rack.clients.clear()
    second = await rack.any_client(server)
    assert await second.exchange(b"\r", end=b"box#") == b"\r\nbox#"
    assert (await second.exchange(b"exit\r", end=b"started.\r\n")).endswith(OPENING)


async def test_a_name_that_is_taken_is_never_replaced(rack: Rack, tmp_path: Path) -> None:
    """Neither a file, nor the link of another line; what a killed device left is."""
    server = await rack.line("pty")
    (tmp_path / "file").write_text("mine")
    for path in (server.endpoint.path, f"{tmp_path}/file", f"{tmp_path}"):
        with pytest.raises(EndpointError, match="the name is taken"):
            await make_line(f"pty:{path}").bind()
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(EndpointError, match=r"the link cannot be made in .*/none: No such file"):
        await make_line(f"pty:{tmp_path}/none/tty").bind()
    (tmp_path / "stale").symlink_to("/dev/pts/999999")
    left = make_line(f"pty:{tmp_path}/stale")
    await left.bind()
    await left.close()
    assert not (tmp_path / "stale").is_symlink()


async def test_a_link_that_somebody_else_made_stays(rack: Rack, tmp_path: Path) -> None:
    """Closing removes what is ours."""
    server = await rack.line("pty")
    path = server.endpoint.path
    os.unlink(path)
    os.symlink("/dev/null", path)
    await server.close()
    assert os.readlink(path) == "/dev/null"


async def test_a_reload_leaves_the_cable_plugged_in(rack: Rack) -> None:
    """The session ends, keys are lost while the box is down, the new one begins by itself."""
    server = await rack.line("pty")
    client = await rack.any_client(server)
    await client.until(b"started.\r\n")
    server.swap(None)
    assert rack.device.consoles == []
    server.swap(rack.reload())
    assert (await client.until(b"started.\r\n")).startswith(b"\r\nnew con0 is now")
    assert await client.exchange(b"\r") == b"\r\nnew>"


async def test_a_reload_starts_a_new_line(rack: Rack) -> None:
    """What the old session printed last stays on its own line."""
    server = await rack.line("pty")
    client = await rack.any_client(server)
    await client.until(b"started.\r\n")
    assert (await client.exchange(b"\r")).endswith(b"box>")
    server.swap(None)
    server.swap(rack.reload())
    assert (await client.until(b"started.\r\n")).startswith(b"\r\n\r\nnew con0 is now")


async def test_a_paste_arrives_completely(rack: Rack) -> None:
    """Far more than the terminal's buffers, with long answers."""
    client = await rack.any_client(await rack.line("pty"))
    await client.until(b"started.\r\n")
    await client.exchange(b"\rterminal length 0\r", end=b"length 0\r\nbox>")
    answer = b""
    for _ in range(5):
        answer += await client.exchange(b"show lines 4000\r", end=b"line 4000\r\nbox>")
    assert answer.count(b"line 4000\r\n") == 5
    assert len(answer) > 200_000


async def test_output_that_nobody_reads_is_lost_in_the_end(rack: Rack, tmp_path: Path) -> None:
    """The console goes on: a log never fills up because no terminal is plugged in."""
    endpoint = parse_endpoint(f"pty:{tmp_path}/tty")
    server = SerialLine(endpoint, PseudoTerminal(endpoint), baud=0, nobody_reads_s=0.1)
    rack.servers.append(server)
    await server.bind()
    await server.serve(rack.device)
    first = await rack.any_client(server)
    await first.until(b"started.\r\n")
    assert isinstance(first, TerminalClient)
    await first.exchange(b"\rterminal length 0\r", end=b"length 0\r\nbox>")
    first.stop_reading()
    first.type(b"show lines 9000\r")
    await until(
        lambda: rack.device.consoles[0].waits is Waits.COMMAND and not first.unread_bytes(),
        "the end of the output",
    )
    first.start_reading()
    assert (await first.exchange(b"sh ver\r", end=b"on box\r\nbox>")).endswith(b"box\r\nbox>")


@pytest.mark.parametrize("kind", ["pty", "tcp"])
async def test_output_comes_at_the_speed_of_the_line(rack: Rack, kind: str) -> None:
    """At 2400 baud, 240 bytes a second, typed keys included."""
    client = await rack.any_client(await rack.line(kind, "baud=2400"))
    before = time.monotonic()
    await client.until(b"started.\r\n")
    assert time.monotonic() - before >= (len(OPENING) - 10) / 240
    before = time.monotonic()
    answer = await client.exchange(b"\rshow lines 12\r", end=b"line 12\r\nbox>")
    assert time.monotonic() - before >= (len(answer) - 10) / 240


async def test_a_queue_keeps_order_at_any_speed() -> None:
    """Slow, fast, held and let go."""
    out = bytearray()
    queue = PacedQueue(out.extend, baud=1_000_000)
    queue.hold(held=True)
    for number in range(200):
        queue.put(bytes([number]) * 50)
    assert not out
    assert queue.size == 10_000
    queue.hold(held=False)
    queue.baud = 0
    await until(lambda: not queue.size, "an empty queue")
    assert bytes(out) == b"".join(bytes([number]) * 50 for number in range(200))
    queue.clear()


async def test_a_real_port_is_a_console(rack: Rack) -> None:
    """The far end of a pseudo-terminal stands for the port; the cable's other end types."""
    near, far = pty.openpty()
    try:
        tty.setraw(far)
        path = os.ttyname(far)
        server = await serve(rack.device, f"serial:{path}?baud=115200")
        rack.servers.append(server)
        with pytest.raises(EndpointError, match="another program has this port open"):
            await make_line(f"serial:{path}").bind()
        client = TerminalClient(near)
        assert await client.take(len(OPENING)) == OPENING
        assert await client.exchange(b"\rsh ver\r", end=b"on box\r\nbox>")
        client.stop_reading()
        await server.close()
    finally:
        os.close(near)
        os.close(far)


async def test_a_port_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(EndpointError, match="there is no such port"):
        await make_line(f"serial:{tmp_path}/ttyUSB9").bind()
    (tmp_path / "file").touch()
    with pytest.raises(EndpointError):
        await make_line(f"serial:{tmp_path}/file").bind()


async def test_a_port_that_is_pulled_out_is_looked_for(rack: Rack, tmp_path: Path) -> None:
    """The session ends; when the port is back, a new one begins."""
    link = tmp_path / "ttyUSB0"
    near, far = pty.openpty()
    tty.setraw(far)
    link.symlink_to(os.ttyname(far))
    server = await serve(rack.device, f"serial:{link}")
    rack.servers.append(server)
    os.close(far)
    link.unlink()
    os.close(near)
    await rack.ended()
    near, far = pty.openpty()
    try:
        tty.setraw(far)
        link.symlink_to(os.ttyname(far))
        client = TerminalClient(near)
        assert await client.take(len(OPENING)) == OPENING
        client.stop_reading()
    finally:
        await server.close()
        os.close(near)
        os.close(far)


class Modem(PseudoTerminal):
    """A terminal device with a carrier that the test moves."""

    carrier: bool | None = True

    def has_carrier(self) -> bool | None:
        """As set."""
        return self.carrier


async def test_a_carrier_that_goes_ends_the_session(rack: Rack, tmp_path: Path) -> None:
    """Somebody pulled the plug: the next one finds no open session of a stranger."""
    endpoint = parse_endpoint(f"pty:{tmp_path}/tty")
    modem = Modem(endpoint)
    server = SerialLine(endpoint, modem, baud=0)
    rack.servers.append(server)
    await server.bind()
    await server.serve(rack.device)
    client = await rack.any_client(server)
    await client.until(b"started.\r\n")
    await client.exchange(b"\renable\r", end=b"box#")
    modem.carrier = False
    assert await client.take(len(OPENING)) == OPENING
    assert rack.device.consoles[0].session.privilege == 1


async def test_pyserial_talks_to_the_pseudo_terminal(rack: Rack) -> None:
    """The library that most automation opens serial consoles with."""
    server = await rack.line("pty")

    def talk() -> bytes:
        with serial.Serial(server.endpoint.path, 9600, timeout=10) as port:
            port.write(b"\r")
            port.read_until(b"box>")
            port.write(b"sh ver\r")
            return bytes(port.read_until(b"box>"))

    assert await asyncio.to_thread(talk) == b"sh ver\r\nSample OS 1.0 on box\r\nbox>"


async def test_a_platform_without_a_free_console_says_so(rack: Rack) -> None:
    """The sample box has four."""
    for _ in range(4):
        await rack.line("pty")
    with pytest.raises(EndpointError, match="no further console line"):
        await rack.line("pty")
    assert isinstance(await rack.client(await rack.line("telnet")), Client)
