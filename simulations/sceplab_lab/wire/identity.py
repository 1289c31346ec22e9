"""Who announces itself, and from which port."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address

from sceplab_devices.profile import DeviceProfile

_ADDRESS_BYTES = 6
_LOCALLY_ADMINISTERED, _GROUP = 0x02, 0x01
_FIRST_ADDRESS = IPv4Address("192.0.2.1")  # RFC 5737: for documentation
_ROUTER = "router"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortIdentity:
    """A port of a device, as its neighbour hears of it."""

    hostname: str
    mac: str
    """``02:…``, also the chassis ID."""
    port: str
    """Name of the interface in full."""
    platform: str
    """Product, for example ``Cisco IOSv``."""
    software: str
    """Description of the system, one line."""
    address: IPv4Address = _FIRST_ADDRESS
    """For management."""
    capability: str = _ROUTER
    """``router`` or ``bridge``."""
    announces: tuple[str, ...] = ("lldp",)
    """Protocols that its platform announces itself with: ``lldp``, ``cdp``."""
    eap_identity: str = ""
    """What an 802.1X supplicant calls itself; empty: ``host/HOSTNAME``."""

    @property
    def supplicant(self) -> str:
        """EAP identity."""
        return self.eap_identity or f"host/{self.hostname}"


def identity_of(profile: DeviceProfile, hostname: str = "", port: str = "") -> PortIdentity:
    """A port of a device of this platform.

    Args:
        profile: its ``[data.presence]`` names ``platform``, ``port``, ``capability`` and what the
            platform ``announces``; a profile without that table announces its title by LLDP.
        hostname: empty: the profile's.
        port: empty: the profile's.
    """
    known = profile.data.get("presence", {})
    name = hostname or profile.hostname
    return PortIdentity(
        hostname=name,
        mac=mac_of(name),
        port=port or known.get("port", "Ethernet0"),
        platform=known.get("platform", profile.title),
        software=profile.title,
        capability=known.get("capability", _ROUTER),
        announces=tuple(known.get("announces", ("lldp",))),
    )


def mac_of(hostname: str) -> str:
    """A locally administered address that belongs to a host name."""
    octets = bytearray(hashlib.sha256(hostname.encode()).digest()[:_ADDRESS_BYTES])
    octets[0] = octets[0] & ~_GROUP & 0xFF | _LOCALLY_ADMINISTERED
    return octets.hex(":")
