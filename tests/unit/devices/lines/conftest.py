"""A device with lines of any kind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sceplab_devices.profile import DeviceProfile
from tests.support.line_rack import Rack


@pytest.fixture
async def rack(sample_profile: DeviceProfile, tmp_path: Path) -> AsyncIterator[Rack]:
    """A device whose console line needs Return; pseudo-terminals in the test's own folder."""
    rack = Rack(sample_profile, tmp_path)
    yield rack
    await rack.close()
    assert rack.device.consoles == []
