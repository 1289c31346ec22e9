"""The method EAP-TLS: one TLS handshake, cut into fragments. TLS 1.2 and nothing newer.

TLS 1.3 needs a commitment message (RFC 9190) that OpenSSL's Python binding does not give us.

Spec: RFC 5216 §2.1.3 (alerts come before the end), §2.1.5 (fragments), §3.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass

from sceplab_agent.eap.frames import FrameError, TlsFragment, read_tls_fragment

MAX_MESSAGE_BYTES = 64 * 1024
"""More than any handshake has; a peer that announces more is not believed."""

FRAGMENT_BYTES = 1024
"""TLS bytes of a packet, so that it fits into any Ethernet frame."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an authentication ended."""

    accepted: bool
    reason: str
    """What was proved, or what went wrong, for a person."""
    peer_certificate_der: bytes | None = None
    """Of the other side; ``None`` unless accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What one side authenticates with, PEM."""

    certificate_pem: bytes
    """The certificate and what stands between it and the anchor."""
    key_pem: bytes
    """Private key, PKCS#8, not encrypted."""
    trusted_pem: bytes
    """CA certificates that the other side's certificate is held against."""

    def __repr__(self) -> str:
        return "Credentials(***)"

    def context(self, *, server_side: bool) -> ssl.SSLContext:
        """TLS settings: both sides show a certificate, and each looks at the other's purpose.

        Raises:
            ssl.SSLError: key and certificate do not belong together, or are unreadable.
        """
        context = ssl.SSLContext(
            ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT
        )
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET
        context.load_verify_locations(cadata=self.trusted_pem.decode("ascii"))
        _load_from_memory(context, self.certificate_pem + b"\n" + self.key_pem)
        return context


class TlsMethod:
    """One side's handshake, fragment by fragment.

    Args:
        context: of `Credentials.context`.
        server_side: whether this is the authenticator's.
    """

    def __init__(self, context: ssl.SSLContext, *, server_side: bool) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side)
        self._collected = bytearray()
        self._announced: int | None = None
        self._to_send = b""
        self._total: int | None = None
        self.is_complete = False
        """The handshake has ended well on this side."""
        self.failure = ""
        """Why it cannot end well."""

    @property
    def has_output(self) -> bool:
        """Whether `give` has TLS bytes and not only an acknowledgement."""
        return bool(self._to_send)

    @property
    def is_collecting(self) -> bool:
        """Whether the other side's message has more fragments to come."""
        return bool(self._collected)

    @property
    def peer_certificate_der(self) -> bytes | None:
        """Certificate of the other side, verified."""
        return self._tls.getpeercert(binary_form=True) if self.is_complete else None

    def begin(self) -> None:
        """Makes the client's first message."""
        self._proceed()

    def take(self, data: bytes) -> None:
        """Takes the data of one packet of the other side.

        Raises:
            FrameError: it does not belong here. When its lengths lie `failure` says so, too.
        """
        fragment = read_tls_fragment(data)
        if self._to_send:
            # The peer has only to acknowledge what has come so far.
            if fragment.content:
                raise FrameError("TLS bytes before our own message was at its end")
            return
        message = self._collect(fragment)
        if message:
            self._incoming.write(message)
            self._proceed()

    def give(self) -> bytes:
        """Data of the next packet: a fragment of what is to be sent, or an acknowledgement."""
        content, self._to_send = self._to_send[:FRAGMENT_BYTES], self._to_send[FRAGMENT_BYTES:]
        total, self._total = self._total, None
        return TlsFragment(content, has_more=bool(self._to_send), total=total).encode()

    def _collect(self, fragment: TlsFragment) -> bytes:
        """The whole message when it is at its end, else nothing."""
        announced = self._announced if self._announced is not None else fragment.total
        size = len(self._collected) + len(fragment.content)
        limit = MAX_MESSAGE_BYTES if announced is None else min(announced, MAX_MESSAGE_BYTES)
        wrong = size > limit or (announced or 0) > MAX_MESSAGE_BYTES
        wrong = wrong or (fragment.has_more and not fragment.content)
        if wrong or (not fragment.has_more and announced not in {None, size}):
            self._collected.clear()
            self._announced = None
            self.failure = self.failure or "the peer's fragments do not fit the length it states"
            raise FrameError(self.failure)
        self._collected += fragment.content
        self._announced = announced
        if fragment.has_more:
            return b""
        message = bytes(self._collected)
        self._collected.clear()
        self._announced = None
        return message

    def _proceed(self) -> None:
        if self.is_complete or self.failure:
            return
        try:
            self._tls.do_handshake()
            self.is_complete = True
        except ssl.SSLWantReadError:
            pass  # the other side's turn
        except ssl.SSLError as error:
            self.failure = _reason_of(error)
        # What there is goes out in any case: after a failure it is the alert.
        self._to_send = self._outgoing.read()
        self._total = len(self._to_send) if self._to_send else None


def _load_from_memory(context: ssl.SSLContext, pem: bytes) -> None:
    """Gives a context certificate and key without a file on any disk."""
    descriptor = os.memfd_create("credentials", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as memory:
            memory.write(pem)
        # Without a password callback OpenSSL would ask the terminal for an encrypted key's.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: b"")
    finally:
        os.close(descriptor)


def _reason_of(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the other side's certificate is not accepted: {error.verify_message}"
    words = (error.reason or "no reason given").replace("_", " ").lower()
    return f"TLS handshake failed: {words}"
