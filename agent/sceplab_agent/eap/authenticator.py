"""The switch port's end of 802.1X with EAP-TLS, EAP server included. No clock, no socket.

Spec: RFC 3748 §4; RFC 5216 §2.1, §2.1.3.
"""

from __future__ import annotations

import ssl

from sceplab_agent.eap.frames import (
    EapCode,
    EapolKind,
    EapPacket,
    EapType,
    FrameError,
    TlsFragment,
    read_eap,
    read_eapol,
)
from sceplab_agent.eap.tls_method import Outcome, TlsMethod

MAX_ROUNDS = 200
"""Responses taken in one authentication."""


class Authenticator:
    """Lets one supplicant in, or not.

    Args:
        context: `Credentials.context` of the server side.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._method: TlsMethod | None = None
        self._rounds = 0
        self._waits_for = EapType.IDENTITY
        self._last = EapPacket(EapCode.REQUEST, 1, EapType.IDENTITY)
        self.identity = ""
        """What the supplicant calls itself; nothing vouches for it."""
        self.outcome: Outcome | None = None
        """``None`` while it is open."""

    def again(self) -> bytes:
        """The last request: to begin with, and when nothing has come for a while."""
        return self._last.encode()

    def receive(self, frame: bytes) -> bytes | None:
        """Takes the payload of an Ethernet frame; the payload to answer with, if any."""
        if self.outcome is not None:
            return None
        try:
            eapol = read_eapol(frame)
            if eapol.kind is EapolKind.START and self._waits_for is EapType.IDENTITY:
                return self.again()
            if eapol.kind is EapolKind.EAP:
                return self._take(read_eap(eapol.body))
        except FrameError:
            # Fragments that cannot be joined end it; anything else is as if it had not come.
            if self._method is not None and self._method.failure:
                return self._end(False, self._method.failure)
        return None

    def give_up(self, reason: str) -> Outcome:
        """Ends it from outside; the reason of a failed handshake counts more."""
        if self.outcome is None:
            failure = self._method.failure if self._method else ""
            self.outcome = Outcome(False, failure or reason)
        return self.outcome

    def _take(self, packet: EapPacket) -> bytes | None:
        if packet.code is not EapCode.RESPONSE or packet.identifier != self._last.identifier:
            return None
        if packet.method == EapType.NAK and self._method is not None:
            return self._end(False, "the supplicant does not speak EAP-TLS")
        if packet.method != self._waits_for:
            return None
        self._rounds += 1
        if self._rounds > MAX_ROUNDS:
            return self._end(False, f"no end in {MAX_ROUNDS} responses")
        if self._method is None:
            self.identity = packet.data.decode("utf-8", "replace")
            self._waits_for = EapType.TLS
            self._method = TlsMethod(self._context, server_side=True)
            return self._request(TlsFragment(is_start=True).encode())
        return self._continue(self._method, packet.data)

    def _continue(self, method: TlsMethod, data: bytes) -> bytes:
        method.take(data)
        if method.has_output:
            return self._request(method.give())
        if method.failure:
            return self._end(False, method.failure)
        if method.is_complete:
            return self._end(True, "EAP-TLS succeeded")
        if method.is_collecting:
            return self._request(method.give())
        return self._end(
            False, "the supplicant has nothing to say before the handshake is complete"
        )

    def _request(self, data: bytes) -> bytes:
        identifier = (self._last.identifier + 1) % 256
        self._last = EapPacket(EapCode.REQUEST, identifier, EapType.TLS, data)
        return self.again()

    def _end(self, accepted: bool, reason: str) -> bytes:
        certificate = self._method.peer_certificate_der if self._method and accepted else None
        self.outcome = Outcome(accepted, reason, certificate)
        code = EapCode.SUCCESS if accepted else EapCode.FAILURE
        return EapPacket(code, self._last.identifier).encode()
