"""The configuration a device was told to save."""

from __future__ import annotations

from pathlib import Path

import pytest

from sceplab_devices.errors import DeviceError
from sceplab_lab.startup_config import STARTUP_FILE, StartupConfig
from tests.support.served_device import open_site


def test_it_is_kept_replaced_and_erased(tmp_path: Path) -> None:
    """Mode 0600, whole, and gone when it is erased."""
    startup = StartupConfig(tmp_path)
    assert startup.load() == ""
    startup.save("hostname R1\n")
    startup.save("hostname R2\n")
    assert startup.load() == "hostname R2\n"
    assert (tmp_path / STARTUP_FILE).stat().st_mode & 0o777 == 0o600
    startup.save("")
    startup.save("")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    """A damaged file and a missing folder are errors of the device, with the path."""
    (tmp_path / STARTUP_FILE).write_bytes(b"\xff")
    with pytest.raises(DeviceError, match="startup-config is damaged; remove it"):
        StartupConfig(tmp_path).load()
    with pytest.raises(DeviceError, match="startup-config: No such file"):
        StartupConfig(tmp_path / "gone").save("x")


def between(text: str, first: str, last: str) -> str:
    """The part of a text from one mark to another, which are both there."""
    begin = text.index(first)
    return text[begin : text.index(last, begin)]


async def test_write_memory_is_true_after_a_restart(tmp_path: Path) -> None:
    """Host name, users, trustpoint and passwords come back; what was not saved does not."""
    async with open_site(tmp_path / "r1") as site:
        async with site.device() as operator:
            await operator.type(
                "hostname R9", "enable secret top", "username bob privilege 15 secret s3cret",
                *site.trustpoint("password lab-challenge"), "do write",
            )  # fmt: skip
            saved = await operator.type("do show running-config | exclude Last|Current")
            await operator.type("hostname R10", "interface Loopback7")
        async with site.device() as operator:
            device = operator.hosted.device
            assert device.hostname == "R9"
            assert device.matches_password(device.users["bob"], "s3cret")
            assert not device.matches_password(device.users["bob"], "wrong")
            operator.console.disconnect()
            console = device.open_console()
            console.open()
            for line in ("", "bob", "s3cret", "terminal length 0"):
                console.receive(line.encode() + b"\r")
            shown = console.receive(b"show running-config | exclude Last|Current\r").decode()
            again = shown.replace("\r\n", "\n")
            assert between(again, "\nversion", "\nend\n") == between(saved, "\nversion", "\nend\n")
            assert b"nvram:" in console.receive(b"show crypto pki certificates LAB\r")
            console.receive(b"write erase\ry")
        assert not (tmp_path / "r1" / STARTUP_FILE).exists()


async def test_a_pending_enrollment_goes_on_after_a_restart(tmp_path: Path) -> None:
    """The request that waited is polled for again, and no other one is sent."""
    async with open_site(tmp_path / "r1", approval="manual") as site:
        async with site.device() as operator:
            await operator.type("crypto key generate rsa label K modulus 2048", *site.trustpoint())
            password = site.password()
            await operator.type("crypto pki enroll LAB", password, password, "yes")
            await operator.type("do write memory")
        async with site.device() as operator:
            assert operator.hosted.device.port.view("LAB").state == "PENDING"
            (request,) = site.server.administration.pending()
            site.server.administration.approve(request.request_id, site.clock())
            await site.pass_time(operator, minutes=2)
            assert operator.certificate() is not None
            assert len(site.server.administration.requests()) == 1


async def test_saving_without_room_says_so(tmp_path: Path) -> None:
    """No [OK] for a configuration that is not kept."""
    async with open_site(tmp_path / "r1") as site, site.device() as operator:
        (tmp_path / "r1" / f"{STARTUP_FILE}.new").mkdir()
        printed = await operator.type("do write memory")
        assert "%Error writing startup-config" in printed
        assert "[OK]" not in printed
