"""An emulated router with its real enrollment engine, served from a thread for blocking clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sceplab_devices.lines import Endpoint
from sceplab_devices.profile import open_profile
from sceplab_lab.clock import LabClock
from sceplab_lab.device_host import DevicePlan, HostedDevice, start_device
from sceplab_scep.algorithms import Floor

ENABLE_PASSWORD = "lab-enable"


@contextmanager
def serve_router(
    state_dir: Path, *, console: str = "telnet:127.0.0.1:0", floor: Floor = Floor.MODERN
) -> Iterator[tuple[HostedDevice, Endpoint]]:
    """A Cisco router and where its console listens."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="test-router")
    thread.start()
    with ThreadPoolExecutor(2, thread_name_prefix="router") as pool:
        plan = DevicePlan(
            profile=open_profile("cisco-ios"),
            hostname="R1",
            enable_password=ENABLE_PASSWORD,
            consoles=(console,),
            state_dir=state_dir,
            floor=floor,
        )
        started = start_device(plan, clock=LabClock(), pool=pool)
        try:
            hosted = asyncio.run_coroutine_threadsafe(started, loop).result(30)
            try:
                yield hosted, hosted.lines[0].endpoint
            finally:
                asyncio.run_coroutine_threadsafe(hosted.close(), loop).result(30)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
