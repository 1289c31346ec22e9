"""Cisco ASA firewall: shell, certificate commands and their outputs.

::

    profile = create_profile()
    firewall = profile.new_device(hostname="asa", port=port, clock=clock)
    console = firewall.open_console()

`Firewall` says what else a device can be given. Every text is data; texts known by name or analogy
only are marked ``# U`` there.
"""

from __future__ import annotations

from importlib.resources import files

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profile_data import read_folder
from sceplab_devices.profiles.cisco_asa.firewall import Firewall
from sceplab_devices.profiles.cisco_asa.handlers import HANDLERS, LEAVE_HANDLERS

__all__ = ["Firewall", "create_profile"]


def create_profile() -> DeviceProfile:
    """The profile ``cisco-asa``.

    Raises:
        ProfileError: the data is wrong.
    """
    return DeviceProfile(
        read_folder(files(__name__) / "data"),
        handlers=HANDLERS,
        leave_handlers=LEAVE_HANDLERS,
        device_class=Firewall,
    )
