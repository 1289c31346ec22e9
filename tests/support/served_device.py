"""A hosted router and its server in one event loop, under a clock that stands until it is moved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sceplab_devices.console import Console
from sceplab_devices.profile import open_profile
from sceplab_lab.clock import LabClock
from sceplab_lab.device_host import DevicePlan, HostedDevice, start_device
from sceplab_ndes.state import ServerState
from sceplab_scep.algorithms import Floor
from tests.support.server import NOW, make_server, serve

__all__ = ["NOW", "Operator", "Site", "open_site"]


@dataclass
class Operator:
    """Somebody at a console of a hosted device, in configuration mode."""

    hosted: HostedDevice
    console: Console

    async def type(self, *lines: str) -> str:
        """Types lines and waits for the device each time; everything the console printed."""
        printed = b""
        for line in lines:
            printed += self.console.receive(line.encode() + b"\r")
            await self.hosted.settle()
            printed += self.console.take_output()
        return printed.decode().replace("\r\n", "\n")

    def certificate(self) -> x509.Certificate | None:
        """Certificate of trustpoint LAB."""
        der = self.hosted.device.port.view("LAB").certificate_der
        return None if der is None else x509.load_der_x509_certificate(der)


@dataclass
class Site:
    """A server, and devices that are started and stopped.

    Attributes:
        folder: of the device.
        keys: URI of its key store; empty: its own.
        keys_secret: reference to the store's secret.
        profile: of the device.
    """

    folder: Path
    clock: LabClock
    server: ServerState
    url: str
    keys: str = ""
    keys_secret: str = ""
    profile: str = "cisco-ios"

    @asynccontextmanager
    async def device(self) -> AsyncIterator[Operator]:
        """The device runs, and somebody has logged in."""
        with ThreadPoolExecutor(2) as pool:
            plan = DevicePlan(
                profile=open_profile(self.profile),
                hostname="R1",
                state_dir=self.folder,
                floor=Floor.NDES,
                keys=self.keys,
                keys_secret=self.keys_secret,
            )
            hosted = await start_device(plan, clock=self.clock, pool=pool)
            try:
                await hosted.settle()
                console = hosted.device.open_console()
                console.open()
                operator = Operator(hosted, console)
                await operator.type("", "enable", "terminal length 0", "configure terminal")
                yield operator
            finally:
                await hosted.close()

    def password(self) -> str:
        """A one-time password."""
        issued = self.server.challenge.issue("admin", self.clock())
        assert issued is not None
        return issued.reveal()

    def trustpoint(self, *extra: str) -> list[str]:
        """Lines that configure trustpoint LAB with the key pair K, and trust its CA."""
        pin = self.server.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
        return [
            "ip domain name example.test", "crypto pki trustpoint LAB",
            f"enrollment url {self.url}", "subject-name CN=R1,O=Example", "rsakeypair K",
            "serial-number none", "ip-address none", f"fingerprint {pin}", *extra, "exit",
            "crypto pki authenticate LAB",
        ]  # fmt: skip

    async def pass_time(self, operator: Operator, **duration: float) -> None:
        """Moves the clock and lets the device do what is due."""
        self.clock.advance(timedelta(**duration))
        await operator.hosted.settle()


@asynccontextmanager
async def open_site(
    folder: Path,
    *,
    keys: str = "",
    keys_secret: str = "",
    approval: str = "auto",
    profile: str = "cisco-ios",
    server_profile: str = "compat",
) -> AsyncIterator[Site]:
    """A server, and a device that is not started yet; see `Site` for the keys."""
    clock = LabClock(NOW, runs=False)
    state = make_server(server_profile, now=NOW, settings={"template": {"approval": approval}})
    async with serve(state, clock) as server:
        yield Site(folder, clock, state, server.scep_url, keys, keys_secret, profile)
