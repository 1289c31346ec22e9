"""Cisco NX-OS switch: shell, certificates that an operator carries, and their outputs.

::

    profile = create_profile()
    switch = profile.new_device(hostname="switch", port=port, clock=clock)
    console = switch.open_console()

The platform has no SCEP client: requests, certificates and PKCS#12 files go through the terminal
and bootflash. `Switch` says what else a device can be given. Every text is data; texts known by
name or analogy only are marked ``# U`` there.
"""

from __future__ import annotations

from importlib.resources import files

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profile_data import read_folder
from sceplab_devices.profiles.cisco_nxos.handlers import HANDLERS, LEAVE_HANDLERS
from sceplab_devices.profiles.cisco_nxos.pipes import FILTERS
from sceplab_devices.profiles.cisco_nxos.switch import Switch

__all__ = ["Switch", "create_profile"]


def create_profile() -> DeviceProfile:
    """The profile ``cisco-nxos``.

    Raises:
        ProfileError: the data is wrong.
    """
    return DeviceProfile(
        read_folder(files(__name__) / "data"),
        handlers=HANDLERS,
        leave_handlers=LEAVE_HANDLERS,
        device_class=Switch,
        filters=FILTERS,
    )
