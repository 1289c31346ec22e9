"""EAPOL frames, EAP packets and EAP-TLS fragments. No length that a peer states is believed.

Spec: IEEE 802.1X-2010 §11.3; RFC 3748 §4; RFC 5216 §3.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

ETHERTYPE = 0x888E
PAE_GROUP = bytes.fromhex("0180c2000003")
"""Address both ends of a cable listen to; bridges do not pass it on."""

_VERSION = 2
_EAPOL = struct.Struct("!BBH")
_EAP = struct.Struct("!BBH")
_TOTAL = struct.Struct("!I")

_HAS_TOTAL, _HAS_MORE, _IS_START = 0x80, 0x40, 0x20


class FrameError(ValueError):
    """Bytes that are no frame, or a frame that does not belong here. The frame is dropped."""


class EapolKind(enum.IntEnum):
    """What an EAPOL frame is; other kinds (keys, announcements) are not for us."""

    EAP = 0
    START = 1
    LOGOFF = 2


class EapCode(enum.IntEnum):
    """What an EAP packet is."""

    REQUEST = 1
    RESPONSE = 2
    SUCCESS = 3
    FAILURE = 4


class EapType(enum.IntEnum):
    """What a request asks for; other types are answered with `NAK`."""

    IDENTITY = 1
    NOTIFICATION = 2
    NAK = 3
    TLS = 13


@dataclass(frozen=True, slots=True)
class EapolFrame:
    """Payload of an Ethernet frame of type `ETHERTYPE`."""

    kind: EapolKind
    body: bytes = b""

    def encode(self) -> bytes:
        """The bytes behind the Ethernet header."""
        return _EAPOL.pack(_VERSION, self.kind, len(self.body)) + self.body


@dataclass(frozen=True, slots=True)
class EapPacket:
    """One EAP packet."""

    code: EapCode
    identifier: int
    """0 to 255; a response bears its request's."""
    method: int = 0
    """Type of a request or response, 0 in others. Not an `EapType`: peers ask for anything."""
    data: bytes = b""

    def encode(self) -> bytes:
        """The packet inside an EAPOL frame, ready to send."""
        content = b""
        if self.code in {EapCode.REQUEST, EapCode.RESPONSE}:
            content = bytes([self.method]) + self.data
        body = _EAP.pack(self.code, self.identifier, _EAP.size + len(content)) + content
        return EapolFrame(EapolKind.EAP, body).encode()


@dataclass(frozen=True, slots=True)
class TlsFragment:
    """Data of an EAP packet of type `EapType.TLS`; without bytes and flags an acknowledgement."""

    content: bytes = b""
    has_more: bool = False
    is_start: bool = False
    total: int | None = None
    """Bytes of the whole message; stated in the first fragment."""

    def encode(self) -> bytes:
        """The bytes behind the EAP type."""
        flags = (self.has_more and _HAS_MORE) | (self.is_start and _IS_START)
        if self.total is None:
            return bytes([flags]) + self.content
        return bytes([flags | _HAS_TOTAL]) + _TOTAL.pack(self.total) + self.content


def read_eapol(data: bytes) -> EapolFrame:
    """Reads what follows an Ethernet header; padding behind it is dropped.

    Raises:
        FrameError: too short, or of another kind.
    """
    if len(data) < _EAPOL.size:
        raise FrameError(f"{len(data)} bytes are no EAPOL frame")
    _, kind, length = _EAPOL.unpack_from(data)
    if length > len(data) - _EAPOL.size:
        raise FrameError(f"an EAPOL frame states {length} bytes and has fewer")
    try:
        return EapolFrame(EapolKind(kind), data[_EAPOL.size : _EAPOL.size + length])
    except ValueError as error:
        raise FrameError(f"EAPOL frames of kind {kind} are not for us") from error


def read_eap(data: bytes) -> EapPacket:
    """Reads the body of an EAPOL frame.

    Raises:
        FrameError: lengths that do not fit, or an unknown code.
    """
    if len(data) < _EAP.size:
        raise FrameError(f"{len(data)} bytes are no EAP packet")
    code, identifier, length = _EAP.unpack_from(data)
    if not _EAP.size <= length <= len(data):
        raise FrameError(f"an EAP packet states {length} bytes and has {len(data)}")
    if code in {EapCode.SUCCESS, EapCode.FAILURE}:
        return EapPacket(EapCode(code), identifier)
    if code not in {EapCode.REQUEST, EapCode.RESPONSE} or length == _EAP.size:
        raise FrameError(f"an EAP packet of code {code} and {length} bytes")
    return EapPacket(EapCode(code), identifier, data[_EAP.size], data[_EAP.size + 1 : length])


def read_tls_fragment(data: bytes) -> TlsFragment:
    """Reads the data of an EAP-TLS packet; reserved flags are ignored.

    Raises:
        FrameError: the flags are missing, or the total that they announce is.
    """
    if not data:
        raise FrameError("an EAP-TLS packet without flags")
    flags, content, total = data[0], data[1:], None
    if flags & _HAS_TOTAL:
        if len(content) < _TOTAL.size:
            raise FrameError("an EAP-TLS packet without the length that it announces")
        (total,) = _TOTAL.unpack_from(content)
        content = content[_TOTAL.size :]
    return TlsFragment(content, bool(flags & _HAS_MORE), bool(flags & _IS_START), total)
