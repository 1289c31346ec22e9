"""The serial port server: pyserial as its client, and garbage."""

import asyncio
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from serial import serial_for_url

from sceplab_devices.lines.rfc2217 import SerialPortCodec
from tests.support.line_rack import Rack

OLD_CLIENT = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
"""pyserial's client starts its thread the old way."""
IAC_PIECES = st.sampled_from(
    [b"\xff", b"\xff\xfa", b"\xff\xf0", b"\x2c", b"\xff\xfd\x2c", b"\xff\xfb\x2c", b"\x01", b"\x05"]
)


@OLD_CLIENT
async def test_pyserial_opens_types_and_changes_the_speed(rack: Rack) -> None:
    """The pacing follows: the same output takes as long as the new speed says."""
    server = await rack.line("rfc2217")
    assert (await asyncio.to_thread(_talk, server.endpoint.port)) == [
        b"\r\nbox>",
        b"sh ver\r\nSample OS 1.0 on box\r\nbox>",
    ]
    await rack.ended()


def _talk(port: int) -> list[bytes]:
    with serial_for_url(f"rfc2217://127.0.0.1:{port}", baudrate=115200, timeout=10) as client:
        client.write(b"\r")  # what the console said before, the client drops when it opens
        answers = [client.read_until(b"box>")[-6:]]
        client.write(b"sh ver\r")
        answers.append(client.read_until(b"box>"))
        assert client.cd
        assert client.cts
        client.baudrate = 1200
        assert client.baudrate == 1200
        before = time.monotonic()
        client.write(b"show lines 4\r")
        size = len(client.read_until(b"box>"))
        assert time.monotonic() - before >= (size - 5) / 120
        return answers


@OLD_CLIENT
async def test_a_break_is_the_key_that_interrupts(rack: Rack) -> None:
    """Ctrl-Shift-6 ends what waits."""
    server = await rack.line("rfc2217", "baud=115200")

    def talk() -> bytes:
        url = f"rfc2217://127.0.0.1:{server.endpoint.port}"
        with serial_for_url(url, baudrate=115200, timeout=10) as client:
            client.write(b"\rwait TP\r")
            client.read_until(b"Waiting ... ")
            client.send_break(0.05)
            return bytes(client.read_until(b"box>"))

    assert (await asyncio.to_thread(talk)).endswith(b"box>")
    assert rack.device.left == ["wait"]


@given(st.lists(st.one_of(st.binary(max_size=20), IAC_PIECES), max_size=60))
@example([b"\xff\xf0"])
@example([b"\xff\xfa\x2c\x01\xff\xf0", b"abc"])
@example([b"\xff\xfa\x2c\x03\x77\xff\xf0"])
@example([b"\xff\xfa\x2c\x0b\xff\xf0"])
def test_garbage_never_breaks_it(pieces: list[bytes]) -> None:
    """Broken settings are not set; typed text goes on afterwards."""
    speeds: list[int] = []
    codec = SerialPortCodec(speeds.append, 9600)
    codec.opening()
    for piece in pieces:
        codec.decode(piece)
    codec.decode(b"\xf0\xff\xf0\xff\xf0")
    assert codec.decode(b"show version")[0] == b"show version"
    assert all(1 <= speed <= 4_000_000 for speed in speeds)


def test_an_endless_setting_is_dropped() -> None:
    """Nothing of a client is kept beyond a bound."""
    codec = SerialPortCodec(lambda _baud: None, 9600)
    codec.decode(b"\xff\xfa\x2c" + b"x" * 300)
    assert codec.decode(b"abc") == (b"abc", b"")
