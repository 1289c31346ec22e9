"""A hosted FortiGate and its server in one event loop, under a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from sceplab_devices.profile import open_profile
from sceplab_lab.device_host import DevicePlan, start_device
from sceplab_scep.algorithms import Floor
from tests.support.served_device import Operator, Site

USER, PASSWORD = "admin", "lab-login"


@asynccontextmanager
async def log_in(site: Site) -> AsyncIterator[Operator]:
    """The box of a site runs, and its administrator has logged in at the console."""
    with ThreadPoolExecutor(2) as pool:
        plan = DevicePlan(
            profile=open_profile("fortinet-fortios"),
            hostname="FW-1",
            state_dir=site.folder,
            users={USER: PASSWORD},
            floor=Floor.NDES,
        )
        hosted = await start_device(plan, clock=site.clock, pool=pool)
        try:
            await hosted.settle()
            console = hosted.device.open_console()
            console.open()
            operator = Operator(hosted, console)
            await operator.type(
                USER, PASSWORD, "config system console", "set output standard", "end"
            )
            yield operator
        finally:
            await hosted.close()
