"""The device's end of 802.1X with EAP-TLS. Frames in, frames out; no clock, no socket.

What is malformed, unasked or early is dropped, as the authenticator's word is not protected until
the handshake is complete.

Spec: RFC 3748 §4.1 (a repeated request gets the same answer), §4.2; RFC 5216 §2.1.
"""

from __future__ import annotations

import ssl

from sceplab_agent.eap.frames import (
    EapCode,
    EapolFrame,
    EapolKind,
    EapPacket,
    EapType,
    FrameError,
    read_eap,
    read_eapol,
    read_tls_fragment,
)
from sceplab_agent.eap.tls_method import Outcome, TlsMethod

MAX_ROUNDS = 200
"""Requests answered in one authentication; a handshake has about ten."""


class Supplicant:
    """Authenticates one port once.

    Args:
        context: `Credentials.context` of the device.
        identity: said before anything is protected; at most 253 bytes of UTF-8.
    """

    def __init__(self, context: ssl.SSLContext, *, identity: str) -> None:
        self._context = context
        self._identity = identity.encode()
        self._method: TlsMethod | None = None
        self._last: tuple[int, bytes] | None = None
        self._rounds = 0
        self.outcome: Outcome | None = None
        """``None`` while it is open."""

    def again(self) -> bytes:
        """What to send at the beginning, and when nothing has come for a while."""
        return EapolFrame(EapolKind.START).encode()

    def receive(self, frame: bytes) -> bytes | None:
        """Takes the payload of an Ethernet frame; the payload to answer with, if any."""
        if self.outcome is not None:
            return None
        try:
            eapol = read_eapol(frame)
            if eapol.kind is not EapolKind.EAP:
                return None
            packet = read_eap(eapol.body)
            if packet.code is EapCode.REQUEST:
                return self._answer(packet)
        except FrameError:
            return None
        if self._last is not None and packet.identifier == self._last[0]:
            self._judge(packet.code)
        return None

    def give_up(self, reason: str) -> Outcome:
        """Ends it from outside; the reason of a failed handshake counts more."""
        if self.outcome is None:
            failure = self._method.failure if self._method else ""
            self.outcome = Outcome(False, failure or reason)
        return self.outcome

    def _answer(self, request: EapPacket) -> bytes | None:
        if self._last is not None and request.identifier == self._last[0]:
            return self._last[1]
        self._rounds += 1
        if self._rounds > MAX_ROUNDS:
            self.give_up(f"the authenticator did not come to an end in {MAX_ROUNDS} requests")
            return None
        method, data = request.method, b""
        if method == EapType.IDENTITY:
            data = self._identity
        elif method == EapType.TLS:
            data = self._continue(request.data)
        elif method != EapType.NOTIFICATION:
            method, data = EapType.NAK, bytes([EapType.TLS])
        answer = EapPacket(EapCode.RESPONSE, request.identifier, method, data).encode()
        self._last = request.identifier, answer
        return answer

    def _continue(self, data: bytes) -> bytes:
        if read_tls_fragment(data).is_start:
            self._method = TlsMethod(self._context, server_side=False)
            self._method.begin()
        elif self._method is None:
            raise FrameError("TLS bytes before the start")
        else:
            self._method.take(data)
        return self._method.give()

    def _judge(self, code: EapCode) -> None:
        method = self._method
        if code is EapCode.FAILURE:
            self.give_up("the authenticator refuses the certificate")
        elif code is EapCode.SUCCESS and method and method.is_complete and not method.has_output:
            self.outcome = Outcome(True, "EAP-TLS succeeded", method.peer_certificate_der)
