"""Juniper Junos on an SRX: operational and configuration mode, certificates of ``security pki``.

::

    profile = create_profile()
    box = profile.new_device(hostname="srx", port=port, clock=clock)
"""

from __future__ import annotations

from importlib.resources import files

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profile_data import read_folder
from sceplab_devices.profiles.candidate.editing import COMMANDS as EDITING
from sceplab_devices.profiles.candidate.editing import dispatch
from sceplab_devices.profiles.candidate.language import HANDLER, CandidateLanguage
from sceplab_devices.profiles.candidate.platform import read_platform
from sceplab_devices.profiles.juniper_junos import (
    configuration,
    files_and_shell,
    pki_ca,
    pki_local,
    pki_shows,
    system,
)
from sceplab_devices.profiles.juniper_junos.device import SrxDevice

__all__ = ["SrxDevice", "create_profile"]


def create_profile() -> DeviceProfile:
    """The profile ``juniper-junos``.

    Raises:
        ProfileError: its data is wrong.
    """
    data = read_folder(files(__name__) / "data")
    handlers = {
        **EDITING,
        **system.COMMANDS,
        **configuration.COMMANDS,
        **files_and_shell.COMMANDS,
        **pki_ca.COMMANDS,
        **pki_local.COMMANDS,
        **pki_shows.COMMANDS,
    }
    return DeviceProfile(
        data,
        handlers={
            HANDLER: dispatch,
            "open_console": system.open_console,
            "open_vty": system.open_vty,
            "shell_line": files_and_shell.shell_line,
        },
        device_class=SrxDevice,
        language=CandidateLanguage(read_platform(data, handlers)),
    )
