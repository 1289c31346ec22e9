"""A box with a candidate configuration, the real engine and a server; somebody is logged in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from sceplab_devices.profile import open_profile
from sceplab_lab.device_host import DevicePlan, start_device
from sceplab_scep.algorithms import Floor
from tests.support.served_device import Operator, Site


@asynccontextmanager
async def log_in(site: Site, profile: str) -> AsyncIterator[Operator]:
    """The box runs; a session without paging is open on it."""
    with ThreadPoolExecutor(2) as pool:
        plan = DevicePlan(
            profile=open_profile(profile), hostname="R1", state_dir=site.folder, floor=Floor.NDES
        )
        hosted = await start_device(plan, clock=site.clock, pool=pool)
        try:
            await hosted.settle()
            console = hosted.device.open_console()
            console.open()
            console.session.length = 0
            yield Operator(hosted, console)
        finally:
            await hosted.close()
