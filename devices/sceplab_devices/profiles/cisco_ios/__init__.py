"""Cisco IOS and IOS XE router: shell, PKI commands and their outputs.

::

    profile = create_profile()                      # or create_profile(train="recent")
    router = profile.new_device(hostname="R1", port=port, clock=clock)
    console = router.open_console()

`Router` says what else a device can be given. Trains (``classic``, ``recent``, ``strict``) and
every text are data; texts known by name or analogy only are marked ``# U`` there.
"""

from __future__ import annotations

from importlib.resources import files

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profile_data import read_folder
from sceplab_devices.profiles.cisco_ios.handlers import HANDLERS, LEAVE_HANDLERS
from sceplab_devices.profiles.cisco_ios.router import Router
from sceplab_devices.profiles.cisco_ios.trains import read_train

__all__ = ["Router", "create_profile", "create_strict_xe_profile", "create_xe_profile"]


def create_profile(train: str = "", *, name: str = "") -> DeviceProfile:
    """The profile ``cisco-ios``.

    Args:
        train: software train of devices that are not told theirs; empty: the data's default.
        name: users choose it by this name; empty: the data's.

    Raises:
        ProfileError: there is no such train, or the data is wrong.
    """
    data = read_folder(files(__name__) / "data")
    chosen = read_train(data["data"], train)
    data["data"]["train"] = chosen.name
    data["profile"]["title"] = chosen.title
    data["profile"]["name"] = name or data["profile"]["name"]
    return DeviceProfile(
        data, handlers=HANDLERS, leave_handlers=LEAVE_HANDLERS, device_class=Router
    )


def create_xe_profile() -> DeviceProfile:
    """The profile ``cisco-ios-xe``: a recent IOS XE train."""
    return create_profile("recent", name="cisco-ios-xe")


def create_strict_xe_profile() -> DeviceProfile:
    """The profile ``cisco-ios-xe-26``: IOS XE 26, which trusts no CA without a fingerprint."""
    return create_profile("strict", name="cisco-ios-xe-26")
