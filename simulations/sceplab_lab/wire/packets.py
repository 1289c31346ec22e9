"""LLDP, CDP and EAPOL frames, and files that hold them. The only module that loads scapy.

Spec: IEEE 802.1AB (LLDP), IEEE 802.1X-2010 11 (EAPOL), RFC 3748 5.1 (EAP identity); CDP as
published captures show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sceplab_lab.errors import ExtraMissingError
from sceplab_lab.wire.identity import PortIdentity

ANNOUNCEMENTS = ("lldp", "cdp")
SUPPLICANT_FRAMES = ("eapol-start", "eap-identity")
KINDS = ANNOUNCEMENTS + SUPPLICANT_FRAMES

_LLDP_GROUP, _CDP_GROUP, _PAE_GROUP = (
    "01:80:c2:00:00:0e", "01:00:0c:cc:cc:cc", "01:80:c2:00:00:03"
)  # fmt: skip
_LLDP_TTL_S, _CDP_TTL_S = 120, 180
_EAPOL_VERSION = 2
_EAPOL_EAP, _EAPOL_START = 0, 1
_EAP_REQUEST, _EAP_RESPONSE, _EAP_IDENTITY = 1, 2, 1
_CDP_CAPABILITIES = {"router": 0x01, "bridge": 0x08}


@dataclass(frozen=True, slots=True)
class Frame:
    """An Ethernet frame without its check sequence."""

    kind: str
    """One of `KINDS`."""
    sender: str
    """Host name."""
    data: bytes


def build_frames(identity: PortIdentity, kinds: Sequence[str] = ()) -> list[Frame]:
    """What a port sends.

    Args:
        identity: of the port.
        kinds: of `KINDS`; none: what its platform announces, then what a supplicant begins with.

    Raises:
        ExtraMissingError: scapy is not installed.
        ValueError: a kind is none of `KINDS`.
    """
    kinds = kinds or (*identity.announces, *SUPPLICANT_FRAMES)
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"unknown frame {kind!r}; known: {', '.join(KINDS)}")
    _require_scapy()
    return [Frame(kind, identity.hostname, bytes(_BUILDERS[kind](identity))) for kind in kinds]


def identity_response(identity: PortIdentity, request_id: int) -> Frame:
    """Answer to an EAP-Request/Identity with this identifier."""
    _require_scapy()
    data = bytes(_eap_identity(identity, request_id))
    return Frame("eap-identity", identity.hostname, data)


def identity_request_id(data: bytes) -> int | None:
    """Identifier of a received EAP-Request/Identity; ``None``: the frame is none."""
    _require_scapy()
    from scapy.layers.eap import EAP
    from scapy.layers.l2 import Ether

    eap = Ether(data).getlayer(EAP)
    if eap is None or eap.code != _EAP_REQUEST or eap.type != _EAP_IDENTITY:
        return None
    return int(eap.id)


def write_capture(path: Path, frames: Sequence[Frame], moment: datetime) -> None:
    """Writes frames to a pcapng file; each carries its kind and sender as a comment.

    Args:
        path: replaced when it exists.
        frames: in this order, a millisecond apart.
        moment: time stamp of the first, aware.

    Raises:
        ExtraMissingError: scapy is not installed.
        OSError: the file cannot be written.
    """
    _require_scapy()
    from scapy.layers.l2 import Ether
    from scapy.utils import PcapNgWriter

    unfinished = path.with_name(f"{path.name}.part")
    try:
        with PcapNgWriter(str(unfinished)) as writer:
            for number, frame in enumerate(frames):
                packet = Ether(frame.data)
                packet.time = moment.timestamp() + number / 1000
                packet.comments = [f"{frame.kind} of {frame.sender}".encode()]
                writer.write(packet)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _require_scapy() -> None:
    try:
        import scapy.packet  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ExtraMissingError("frames are built with scapy", extra="wire") from error


def _lldp(identity: PortIdentity) -> Any:
    from scapy.contrib import lldp
    from scapy.layers.l2 import Ether

    available = {f"{name}_{state}": 1 for state in ("available", "enabled")
                 for name in _LLDP_CAPABILITIES[identity.capability]}  # fmt: skip
    return (
        Ether(src=identity.mac, dst=_LLDP_GROUP)
        / lldp.LLDPDUChassisID(subtype=lldp.LLDPDUChassisID.SUBTYPE_MAC_ADDRESS, id=identity.mac)
        / lldp.LLDPDUPortID(
            subtype=lldp.LLDPDUPortID.SUBTYPE_INTERFACE_NAME, id=identity.port.encode()
        )
        / lldp.LLDPDUTimeToLive(ttl=_LLDP_TTL_S)
        / lldp.LLDPDUPortDescription(description=identity.port.encode())
        / lldp.LLDPDUSystemName(system_name=identity.hostname.encode())
        / lldp.LLDPDUSystemDescription(description=identity.software.encode())
        / lldp.LLDPDUSystemCapabilities(**available)
        / lldp.LLDPDUManagementAddress(
            management_address_subtype=lldp.LLDPDUManagementAddress.SUBTYPE_MANAGEMENT_ADDRESS_IPV4,
            management_address=identity.address.packed,
            interface_numbering_subtype=(
                lldp.LLDPDUManagementAddress.SUBTYPE_INTERFACE_NUMBER_IF_INDEX
            ),
            interface_number=1,
        )
        / lldp.LLDPDUEndOfLLDPDU()
    )


_LLDP_CAPABILITIES = {"router": ("router",), "bridge": ("mac_bridge",)}


def _cdp(identity: PortIdentity) -> Any:
    from scapy.contrib import cdp
    from scapy.layers.l2 import LLC, SNAP, Dot3

    return (
        Dot3(src=identity.mac, dst=_CDP_GROUP)
        / LLC(dsap=0xAA, ssap=0xAA, ctrl=3)
        / SNAP(OUI=0x00000C, code=0x2000)
        / cdp.CDPv2_HDR(
            vers=2,
            ttl=_CDP_TTL_S,
            msg=[
                cdp.CDPMsgDeviceID(val=identity.hostname.encode()),
                cdp.CDPMsgAddr(naddr=1, addr=[cdp.CDPAddrRecordIPv4(addr=str(identity.address))]),
                cdp.CDPMsgPortID(iface=identity.port.encode()),
                cdp.CDPMsgCapabilities(cap=_CDP_CAPABILITIES[identity.capability]),
                cdp.CDPMsgSoftwareVersion(val=identity.software.encode()),
                cdp.CDPMsgPlatform(val=identity.platform.encode()),
            ],
        )
    )


def _eapol_start(identity: PortIdentity) -> Any:
    from scapy.layers.eap import EAPOL
    from scapy.layers.l2 import Ether

    frame = Ether(src=identity.mac, dst=_PAE_GROUP)
    return frame / EAPOL(version=_EAPOL_VERSION, type=_EAPOL_START)


def _eap_identity(identity: PortIdentity, request_id: int = 1) -> Any:
    from scapy.layers.eap import EAP, EAPOL
    from scapy.layers.l2 import Ether

    return (
        Ether(src=identity.mac, dst=_PAE_GROUP)
        / EAPOL(version=_EAPOL_VERSION, type=_EAPOL_EAP)
        / EAP(
            code=_EAP_RESPONSE,
            id=request_id,
            type=_EAP_IDENTITY,
            identity=identity.supplicant.encode(),
        )
    )


_BUILDERS = {
    "lldp": _lldp, "cdp": _cdp, "eapol-start": _eapol_start, "eap-identity": _eap_identity
}  # fmt: skip
