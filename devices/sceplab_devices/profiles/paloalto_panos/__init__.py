"""Palo Alto Networks PAN-OS: operational and configuration mode, SCEP profiles, certificates.

::

    profile = create_profile()
    box = profile.new_device(hostname="PA-VM", port=port, clock=clock)

Certificates are part of the configuration here: a new one waits in the candidate until a commit.
The platform has no 802.1X, and it does not renew device certificates by itself.
"""

from __future__ import annotations

from importlib.resources import files

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profile_data import read_folder
from sceplab_devices.profiles.candidate.editing import COMMANDS as EDITING
from sceplab_devices.profiles.candidate.editing import dispatch
from sceplab_devices.profiles.candidate.language import HANDLER, CandidateLanguage
from sceplab_devices.profiles.candidate.platform import read_platform
from sceplab_devices.profiles.paloalto_panos import certificates, configuration, stores, system
from sceplab_devices.profiles.paloalto_panos.device import Firewall

__all__ = ["Firewall", "create_profile"]


def create_profile() -> DeviceProfile:
    """The profile ``paloalto-panos``.

    Raises:
        ProfileError: its data is wrong.
    """
    data = read_folder(files(__name__) / "data")
    handlers = {
        **EDITING,
        **system.COMMANDS,
        **configuration.COMMANDS,
        **certificates.COMMANDS,
        **stores.COMMANDS,
    }
    return DeviceProfile(
        data,
        handlers={HANDLER: dispatch, "open_session": system.open_session},
        device_class=Firewall,
        language=CandidateLanguage(read_platform(data, handlers)),
    )
