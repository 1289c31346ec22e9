"""A hosted device that its operator has start anew: what is kept, what is gone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sceplab_devices.profile import open_profile
from sceplab_lab.clock import LabClock
from sceplab_lab.device_host import DevicePlan, HostedDevice, start_device
from tests.support.served_device import Operator, open_site


async def reload_of(operator: Operator) -> Operator:
    """The box starts anew; somebody is at its console, in configuration mode."""
    operator.hosted.device.on_reload()
    await operator.hosted.settle()
    console = operator.hosted.device.open_console()
    console.open()
    again = Operator(operator.hosted, console)
    await again.type("", "enable", "terminal length 0", "configure terminal")
    return again


async def test_what_was_not_saved_is_gone(tmp_path: Path) -> None:
    """Trustpoint and domain name were only in the running configuration; the key pair stays."""
    async with open_site(tmp_path / "r1") as site, site.device() as operator:
        await operator.type(*site.trustpoint(), "crypto key generate rsa label K modulus 2048")
        assert operator.hosted.port.view("LAB").state == "CA_PINNED"
        again = await reload_of(operator)
        assert again.hosted.device is not operator.console.device
        assert "LAB" not in await again.type("do show running-config")
        assert again.hosted.port.view("LAB").state == "UNCONFIGURED"
        keys = again.hosted.port.keys()
        assert [key.label for key in keys] == ["K"]
        assert operator.console.is_closed


async def test_what_was_saved_goes_on_where_it_was(tmp_path: Path) -> None:
    """A request that waits at the CA is still waiting, and its poll still comes."""
    async with (
        open_site(tmp_path / "r1", approval="manual") as site,
        site.device() as operator,
    ):
        await operator.type(*site.trustpoint(), "crypto key generate rsa label K modulus 2048")
        operator.hosted.port.enroll("LAB", challenge=site.password())
        await operator.hosted.settle()
        before = operator.hosted.port.view("LAB")
        assert before.state == "PENDING"
        await operator.type("do write memory")
        again = await reload_of(operator)
        after = again.hosted.port.view("LAB")
        assert (after.state, after.next_poll_at) == ("PENDING", before.next_poll_at)
        for request in site.server.administration.pending():
            site.server.administration.approve(request.request_id, site.clock())
        await site.pass_time(again, seconds=61)
        assert again.certificate() is not None


async def hosted_router(folder: Path, pool: ThreadPoolExecutor, **plan: str) -> HostedDevice:
    """A router with a network line and a console line."""
    return await start_device(
        DevicePlan(
            profile=open_profile("cisco-ios"),
            consoles=("tcp:127.0.0.1:0", "telnet:127.0.0.1:0"),
            state_dir=folder,
            **plan,  # type: ignore[arg-type]
        ),
        clock=LabClock(),
        pool=pool,
    )


async def test_sessions_end_and_ports_stay(tmp_path: Path) -> None:
    """A network session is hung up; afterwards the same ports lead to the new box."""
    with ThreadPoolExecutor(1) as pool:
        hosted = await hosted_router(tmp_path / "r1", pool)
        endpoints = [str(line.endpoint) for line in hosted.lines]
        port = hosted.lines[1].endpoint.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readuntil(b"Router>")
        old = hosted.device
        hosted.device.on_reload()
        await hosted.settle()
        assert b"Router>" not in await reader.read()
        writer.close()
        assert old.consoles == []
        assert [str(line.endpoint) for line in hosted.lines] == endpoints
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readuntil(b"Router>")
        assert len(hosted.device.consoles) == 1
        writer.close()
        await hosted.close()


async def test_the_server_of_the_plan_is_configured_again(tmp_path: Path) -> None:
    """A reload is a restart of the emulator: an unsaved box gets its first trustpoint again."""
    with ThreadPoolExecutor(1) as pool:
        hosted = await hosted_router(tmp_path / "r1", pool, server="http://127.0.0.1:9/scep")
        hosted.port.remove("LAB")
        hosted.reload()
        hosted.reload()  # twice is once
        await hosted.settle()
        assert hosted.port.view("LAB").url == "http://127.0.0.1:9/scep"
        await hosted.close()


async def test_a_box_that_cannot_come_up_stays_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged saved configuration is told once; closing still works."""
    with ThreadPoolExecutor(1) as pool:
        hosted = await hosted_router(tmp_path / "r1", pool)
        (tmp_path / "r1" / "startup-config").write_bytes(b"\xff\xff")
        hosted.reload()
        await hosted.settle()
        assert "does not come up again" in caplog.text
        reader, writer = await asyncio.open_connection("127.0.0.1", hosted.lines[1].endpoint.port)
        assert await reader.read() == b""
        writer.close()
        await hosted.close()
