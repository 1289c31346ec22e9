"""Fortinet FortiGate: FortiOS shell, configuration objects, certificates over SCEP.

::

    profile = create_profile()
    box = profile.new_device(hostname="FGT60F", port=port, clock=clock)

Tables and objects are data (``data/schema-*.toml``): one can be added without code. Texts known by
name or analogy only are marked ``# U`` there.
"""

from __future__ import annotations

from importlib.resources import files

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profile_data import read_folder
from sceplab_devices.profiles.fortinet_fortios.box import FortiGate, language_data
from sceplab_devices.profiles.fortinet_fortios.handlers import HANDLERS, LEAVE_HANDLERS
from sceplab_devices.profiles.fortinet_fortios.language import FortiLanguage

__all__ = ["FortiGate", "create_profile"]


def create_profile() -> DeviceProfile:
    """The profile ``fortinet-fortios``.

    Raises:
        ProfileError: its data is wrong.
    """
    profile = DeviceProfile(
        read_folder(files(__name__) / "data"),
        handlers=HANDLERS,
        leave_handlers=LEAVE_HANDLERS,
        device_class=FortiGate,
        language=FortiLanguage(),
    )
    language_data(profile)  # complains now, not when the first box is made
    return profile
