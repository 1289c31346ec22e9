"""A terminal on a device of the sample profile."""

from collections.abc import Callable

import pytest

from sceplab_devices.profile import DeviceProfile
from tests.support.consoles import VTY, Terminal
from tests.support.sample_profile import create_profile


@pytest.fixture(scope="session")
def sample_profile() -> DeviceProfile:
    """The third party's profile, loaded once."""
    return create_profile()


@pytest.fixture
def terminal(sample_profile: DeviceProfile) -> Terminal:
    """A vty at the unprivileged prompt."""
    return Terminal(sample_profile)


@pytest.fixture
def privileged(terminal: Terminal) -> Terminal:
    """A vty at the privileged prompt, without paging."""
    terminal.run("enable")
    terminal.run("terminal length 0")
    return terminal


@pytest.fixture
def second_terminal(sample_profile: DeviceProfile) -> Callable[[Terminal], Terminal]:
    """Opens another session on the device of a terminal."""
    return lambda first: Terminal(sample_profile, line=VTY, device=first.device)
