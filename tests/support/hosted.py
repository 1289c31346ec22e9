"""A device of any platform with its real enrollment engine, served from a thread for clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sceplab_devices.profile import open_profile
from sceplab_lab.clock import LabClock
from sceplab_lab.device_host import DevicePlan, HostedDevice, start_device
from sceplab_scep.algorithms import Floor

ENABLE_PASSWORD = "lab-enable"
USER = "admin"
PASSWORD = "lab-login"
LOGIN = {"USER_NAME": USER, "PASSWORD": PASSWORD, "ENABLE_PASSWORD": ENABLE_PASSWORD}
"""Environment variables that tell a client program how to get in."""


@contextmanager
def serve_device(
    profile: str, folder: Path, consoles: Sequence[str], **plan: Any
) -> Iterator[HostedDevice]:
    """A running device; `HostedDevice.lines` tells where its consoles listen.

    Args:
        profile: name of its platform.
        folder: for its state.
        consoles: endpoints.
        plan: further fields of `DevicePlan`.
    """
    settings = {"hostname": "R1", "floor": Floor.MODERN, "enable_password": ENABLE_PASSWORD, **plan}
    whole = DevicePlan(
        profile=open_profile(profile), consoles=tuple(consoles), state_dir=folder, **settings
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="test-device")
    thread.start()
    with ThreadPoolExecutor(2, thread_name_prefix="device") as pool:
        started = start_device(whole, clock=LabClock(), pool=pool)
        try:
            hosted = asyncio.run_coroutine_threadsafe(started, loop).result(30)
            try:
                yield hosted
            finally:
                asyncio.run_coroutine_threadsafe(hosted.close(), loop).result(30)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
