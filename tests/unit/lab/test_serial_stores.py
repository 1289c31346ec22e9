"""Key stores for one thread at a time, behind devices and servers that have several."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sceplab_devices.profile import open_profile
from sceplab_hsm.api import StoreCapabilities
from sceplab_hsm.lab import ensure_lab_secret
from sceplab_hsm.serial import SerialKeyStore
from sceplab_hsm.software import SoftwareKeyStore
from sceplab_lab import device_box, device_host
from sceplab_lab.clock import LabClock
from sceplab_lab.device_plan import DevicePlan
from sceplab_ndes import service
from sceplab_ndes.config import ServerConfig
from sceplab_ndes.folder import StateFolder


@pytest.fixture(autouse=True)
def store_for_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The software store says that it is not for threads."""
    real = SoftwareKeyStore.capabilities

    def capabilities(self: SoftwareKeyStore) -> StoreCapabilities:
        return replace(real(self), thread_safe=False)

    monkeypatch.setattr(SoftwareKeyStore, "capabilities", capabilities)


async def test_a_device_makes_one_call_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine of a device gets a store that its threads may share."""
    given: list[Any] = []
    real = device_box.AgentPort

    def port(**options: Any) -> Any:
        given.append(options["store"])
        return real(**options)

    monkeypatch.setattr(device_box, "AgentPort", port)
    plan = DevicePlan(
        profile=open_profile("cisco-ios"),
        state_dir=tmp_path / "r1",
        keys=f"soft:{tmp_path / 'keys'}?kdf=lab",
        keys_secret=ensure_lab_secret(tmp_path / "passphrase"),
    )
    with ThreadPoolExecutor(1) as pool:
        hosted = await device_host.start_device(plan, clock=LabClock(), pool=pool)
        await hosted.settle()
        await hosted.close()
    assert [type(store) for store in given] == [SerialKeyStore]


def test_a_server_makes_one_call_at_a_time(tmp_path: Path) -> None:
    """The server answers in threads; so its keys are behind one lock."""
    folder = StateFolder(tmp_path / "server")
    folder.make()
    with closing(service._open_keys(folder, ServerConfig(), lambda: datetime.now(UTC))) as store:
        assert isinstance(store, SerialKeyStore)
