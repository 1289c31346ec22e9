"""Links that carry EAPOL payloads, and the loop that runs one end of 802.1X over one of them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Protocol

from sceplab_agent.eap.frames import ETHERTYPE, PAE_GROUP
from sceplab_agent.eap.tls_method import Outcome

_MAX_FRAME_BYTES = 65536
_RETRY_S = 3.0
"""Pause before the last frame is sent again. Spec: IEEE 802.1X-2010, table 8-1 leaves it open."""

# <linux/if_packet.h>; the socket module has no names for these.
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_MR_MULTICAST = 0
_PACKET_MREQ = struct.Struct("=iHH8s")


class Link(Protocol):
    """One end of a cable."""

    def send(self, payload: bytes) -> None:
        """Sends what follows the Ethernet header.

        Raises:
            OSError: the interface is down or gone.
        """

    def receive(self, timeout_s: float) -> bytes | None:
        """The next payload; ``None`` when none has come in time.

        Raises:
            OSError: the interface is down or gone.
        """

    def close(self) -> None:
        """Releases it. Twice is harmless."""


class End(Protocol):
    """A `Supplicant` or an `Authenticator`."""

    @property
    def outcome(self) -> Outcome | None:
        """``None`` while it is open."""

    def again(self) -> bytes:
        """What to send first, and when nothing comes."""

    def receive(self, frame: bytes) -> bytes | None:
        """Takes a payload; the payload to answer with, if any."""

    def give_up(self, reason: str) -> Outcome:
        """Ends it from outside."""


class SocketLink:
    """A link over one half of a socket pair.

    Args:
        half: keeps the bounds of messages; closed with the link.
    """

    def __init__(self, half: socket.socket) -> None:
        self._half = half

    def send(self, payload: bytes) -> None:
        """See `Link.send`."""
        self._half.send(payload)

    def receive(self, timeout_s: float) -> bytes | None:
        """See `Link.receive`."""
        self._half.settimeout(max(timeout_s, 0.001))
        try:
            payload = self._half.recv(_MAX_FRAME_BYTES)
        except TimeoutError:
            return None
        if not payload:
            raise ConnectionResetError("the other end of the link is closed")
        return payload

    def close(self) -> None:
        """See `Link.close`."""
        self._half.close()


def make_cable() -> tuple[SocketLink, SocketLink]:
    """Two links joined inside this process."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return SocketLink(one), SocketLink(other)


class PacketLink:
    """A link over an Ethernet interface. Needs CAP_NET_RAW.

    Args:
        interface: its name. It joins the PAE group as long as the link is open.

    Raises:
        OSError: no such interface, or no right to its frames.
    """

    def __init__(self, interface: str) -> None:
        # Cooked packets: the kernel writes and reads the Ethernet header.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETHERTYPE))
        try:
            self._socket.bind((interface, ETHERTYPE))
            membership = _PACKET_MREQ.pack(
                socket.if_nametoindex(interface), _PACKET_MR_MULTICAST, len(PAE_GROUP), PAE_GROUP
            )
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
        except OSError:
            self._socket.close()
            raise
        self._group = (interface, ETHERTYPE, 0, 0, PAE_GROUP)

    def send(self, payload: bytes) -> None:
        """See `Link.send`."""
        self._socket.sendto(payload, self._group)

    def receive(self, timeout_s: float) -> bytes | None:
        """See `Link.receive`."""
        self._socket.settimeout(max(timeout_s, 0.001))
        try:
            payload, sender = self._socket.recvfrom(_MAX_FRAME_BYTES)
        except TimeoutError:
            return None
        return b"" if sender[2] == socket.PACKET_OUTGOING else payload

    def close(self) -> None:
        """See `Link.close`."""
        self._socket.close()


def run(end: End, link: Link, *, limit_s: float, monotonic: Callable[[], float]) -> Outcome:
    """Runs one end until it knows its outcome.

    Args:
        end: has not begun.
        link: stays open.
        limit_s: seconds after which it gives up.
        monotonic: clock, seconds.

    Raises:
        OSError: the link fails.
    """
    deadline = monotonic() + limit_s
    link.send(end.again())
    while end.outcome is None:
        left_s = deadline - monotonic()
        if left_s <= 0:
            return end.give_up(f"no outcome within {limit_s:g} s")
        payload = link.receive(min(left_s, _RETRY_S))
        answer = end.again() if payload is None else end.receive(payload)
        if answer is not None:
            link.send(answer)
    return end.outcome
