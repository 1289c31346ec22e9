"""Garbage at consoles: 200,000 seeded bytes each, over Telnet; the device still answers."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

import pytest

from sceplab_devices.console import Console
from sceplab_devices.device import Device
from sceplab_devices.lines.telnet import TelnetCodec
from sceplab_devices.session import CONSOLE_LINE, LineInfo
from tests.support.consoles import VTY, IdlePort, ManualClock
from tests.support.ios import RouterBench
from tests.support.sample_profile import create_profile

pytestmark = pytest.mark.fuzz

TOTAL_BYTES = 200_000
TERMINAL_SET = frozenset(b"\r\n\b\a") | frozenset(range(0x20, 0x7F))
WORDS = [
    b"show",
    b"sh",
    b"version",
    b"running-config",
    b"configure terminal",
    b"conf t",
    b"enable",
    b"end",
    b"exit",
    b"no",
    b"do",
    b"default",
    b"terminal length 0",
    b"terminal length 5",
    b"terminal monitor",
    b"crypto pki trustpoint A",
    b"crypto pki enroll A",
    b"crypto pki authenticate A",
    b"crypto key",
    b"site a",
    b"color red",
    b"wipe x",
    b"secret",
    b"reload",
    b"wait TP",
    b"show lines 99",
    b"banner",
    b"quit",
    b"yes",
    b"no",
    b"hostname x",
    b"interface g0/0",
    b"make key rsa bits 2048",
    b"| include",
    b"| section (a|b)*c",
    b"| begin [",
    b"| count",
    b"1",
    b"A.B.C.D",
    b"http://x",
    b"logout",
    b"echo",
]
OPTIONS = [
    b"\xff\xfd\x01",
    b"\xff\xfb\x1f",
    b"\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0",
    b"\xff\xf4",
    b"\xff\xff",
    b"\xff\xfa\x18",
    b"\xff\xf0",
    b"\xff\xf6",
    b"\xff",
    b"\xff\xfe\x01",
    b"\xff\xfa\xff\xff\xff\xf0",
]
UTF8 = [
    "é".encode(),
    "路由".encode(),
    "路".encode()[:2],
    b"\xf0\x9f\x98",
    b"\xc0\x80",
    b"\xed\xa0\x80",
]


def pieces(seed: int) -> list[bytes]:
    """Chunks as a network might deliver them, `TOTAL_BYTES` together."""
    chance = random.Random(seed)
    makers: list[Callable[[], bytes]] = [
        lambda: chance.randbytes(chance.randint(1, 60)),
        lambda: bytes(chance.choices(range(32), k=chance.randint(1, 20))),
        lambda: b" ".join(chance.choices(WORDS, k=chance.randint(1, 6))) + b"\r",
        lambda: chance.choice(WORDS) + chance.choice([b"\r", b"\n", b"\r\n", b"?", b"\t", b" ?"]),
        lambda: chance.choice(WORDS)[: chance.randint(0, 5)] + b"\t",
        lambda: b"".join(chance.choices(OPTIONS, k=3)),
        lambda: b"".join(chance.choices(UTF8, k=3)),
        lambda: chance.choice([b"\x1b[", b"\x1b[A", b"\x1bOB", b"\x1b[3~", b"\x1b[999;", b"\x1b"]),
        lambda: bytes(chance.choices(b"ab c?|.^$*[]()\"'", k=chance.randint(1, 40))),
    ]
    chunks = []
    size = 0
    while size < TOTAL_BYTES:
        chunks.append(chance.choice(makers)())
        size += len(chunks[-1])
    return chunks


def answer(console: Console) -> bytes:
    """What the device says to a plain command, whatever was going on."""
    console.receive(b"\r\x03\x03q\x03\x15\r")
    console.receive(b"end\rterminal length 0\r")
    return console.receive(b"\x15show version\r")


def drive(device: Device, line: LineInfo, seed: int) -> bytes:
    """Types everything; gives the answer at the end. Closed sessions are opened again."""
    chance = random.Random(seed)
    console = device.open_console(line)
    codec = TelnetCodec(console.resize)
    outputs = [console.open()]
    for chunk in pieces(seed):
        if console.is_closed:
            console = device.open_console(line)
            codec = TelnetCodec(console.resize)
            outputs.append(console.open())
        typed, _ = codec.decode(chunk)
        outputs.append(console.receive(typed))
        while console.has_input:
            outputs.append(console.receive(b""))
        if chance.random() < 0.01:
            device.log("%TEST-5-TEXT: from outside")
            outputs.append(console.take_output())
    assert set().union(*map(set, outputs)) <= TERMINAL_SET
    if console.is_closed:
        console = device.open_console(line)
        console.open()
    megabyte = console.receive(b"x" * 1_000_000 + b"\r")
    assert len(megabyte) < 10_000
    shown = answer(console)
    console.disconnect()
    return shown


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("line", [VTY, CONSOLE_LINE], ids=lambda line: line.kind)
def test_the_sample_device_survives_garbage(
    seed: int, line: LineInfo, caplog: pytest.LogCaptureFixture
) -> None:
    """The only errors are those of the handler that is broken on purpose."""
    device = create_profile().new_device(port=IdlePort(), clock=ManualClock())
    with caplog.at_level(logging.ERROR):
        assert b"Sample OS 1.0 on" in drive(device, line, seed)
    causes = {record.exc_info[0] for record in caplog.records if record.exc_info}
    assert causes <= {ZeroDivisionError}
    assert device.consoles == []


@pytest.mark.parametrize("seed", [3, 4])
def test_the_ios_router_survives_garbage(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """No command breaks, whatever is typed."""
    bench = RouterBench()
    with caplog.at_level(logging.ERROR):
        assert b"Cisco IOS" in drive(bench.router, VTY, seed)
    assert caplog.records == []
    assert bench.router.consoles == []
