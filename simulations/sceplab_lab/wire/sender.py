"""Puts frames on an interface and answers who asks for an EAP identity."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Sequence

from sceplab_lab.errors import InterfaceError
from sceplab_lab.wire.identity import PortIdentity
from sceplab_lab.wire.packets import Frame, identity_request_id, identity_response

_ALL_PROTOCOLS = 0x0003
_EAPOL_TYPE = b"\x88\x8e"
_TYPE_AT = slice(12, 14)
_LONGEST_FRAME = 2048
_GLANCE_S = 0.2


class WireSender:
    """An interface that frames are sent on. Close it when done.

    Args:
        interface: name, for example ``veth0``; up already.

    Raises:
        InterfaceError: there is none of that name, or raw frames need more rights.
    """

    def __init__(self, interface: str) -> None:
        try:
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS)
            )
            self._socket.bind((interface, 0))
        except PermissionError as error:
            raise InterfaceError(
                interface,
                "raw frames need root or CAP_NET_RAW; write a capture instead (--out), or work in "
                "a network namespace of your own (unshare -rn)",
            ) from error
        except OSError as error:
            self._socket.close()
            raise InterfaceError(interface, error.strerror or str(error)) from error
        self.interface = interface

    def send(self, frames: Sequence[Frame]) -> None:
        """Sends frames once.

        Raises:
            InterfaceError: the interface is down.
        """
        for frame in frames:
            try:
                self._socket.send(frame.data)
            except OSError as error:
                raise InterfaceError(self.interface, error.strerror or str(error)) from error

    def listen(self, identity: PortIdentity, seconds: float, *, is_over: Callable[[], bool]) -> int:
        """Answers EAP-Request/Identity for a while.

        Args:
            identity: who answers.
            seconds: how long.
            is_over: asked a few times a second; ends it sooner.

        Returns:
            How often it answered.
        """
        answered = 0
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not is_over():
            ready, _, _ = select.select([self._socket], [], [], min(left, _GLANCE_S))
            if not ready:
                continue
            data, origin = self._socket.recvfrom(_LONGEST_FRAME)
            if origin[2] == socket.PACKET_OUTGOING or data[_TYPE_AT] != _EAPOL_TYPE:
                continue
            request_id = identity_request_id(data)
            if request_id is not None:
                self.send([identity_response(identity, request_id)])
                answered += 1
        return answered

    def close(self) -> None:
        """Gives the interface back."""
        self._socket.close()
