"""How client tools call the platforms that profiles emulate.

A profile from elsewhere says it in ``[data.inventory]``, with the fields of `Platform` as keys.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from sceplab_devices.errors import ProfileError
from sceplab_devices.profile import DeviceProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Names of one platform; empty: the tool has none."""

    netmiko: str = ""
    """``device_type`` over SSH."""
    netmiko_telnet: str = ""
    netmiko_serial: str = ""
    ansible: str = ""
    """``ansible_network_os``; empty: module ``raw`` over plain SSH has to do."""
    pyats: str = "generic"
    """``os`` of a testbed device."""
    kind: str = "router"
    """``type`` of a testbed device."""
    has_enable: bool = False
    """The tools raise the privilege with ``enable``."""


_IOS_XE = Platform(
    netmiko="cisco_xe",
    netmiko_telnet="cisco_xe_telnet",
    netmiko_serial="cisco_ios_serial",
    ansible="cisco.ios.ios",
    pyats="iosxe",
    has_enable=True,
)
_PLATFORMS = {
    "cisco-ios": Platform(
        netmiko="cisco_ios",
        netmiko_telnet="cisco_ios_telnet",
        netmiko_serial="cisco_ios_serial",
        ansible="cisco.ios.ios",
        pyats="ios",
        has_enable=True,
    ),
    "cisco-ios-xe": _IOS_XE,
    "cisco-ios-xe-26": _IOS_XE,
    "cisco-asa": Platform(
        netmiko="cisco_asa",
        ansible="cisco.asa.asa",
        pyats="asa",
        kind="firewall",
        has_enable=True,
    ),
    "cisco-nxos": Platform(
        netmiko="cisco_nxos",
        netmiko_telnet="cisco_nxos_telnet",
        ansible="cisco.nxos.nxos",
        pyats="nxos",
        kind="switch",
    ),
    "fortinet-fortios": Platform(netmiko="fortinet", kind="firewall"),
    "paloalto-panos": Platform(
        netmiko="paloalto_panos",
        netmiko_telnet="paloalto_panos_telnet",
        pyats="panos",
        kind="firewall",
    ),
    "juniper-junos": Platform(
        netmiko="juniper_junos",
        netmiko_telnet="juniper_junos_telnet",
        ansible="junipernetworks.junos.junos",
        pyats="junos",
    ),
}


def platform_of(profile: DeviceProfile) -> Platform:
    """What tools call the platform of a profile.

    Raises:
        ProfileError: its table ``[data.inventory]`` has other keys.
    """
    table = profile.data.get("inventory")
    if table is None:
        return _PLATFORMS.get(profile.name, Platform())
    known = {item.name for item in fields(Platform)}
    for key in table:
        if key not in known:
            reason = f"unknown key {key!r}; known: {', '.join(sorted(known))}"
            raise ProfileError(profile.name, reason, place="data.inventory")
    return Platform(**table)
