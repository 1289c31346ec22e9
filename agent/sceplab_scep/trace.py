"""A pkiMessage as one block that a person can read. Nothing is verified, nothing is secret.

What stands inside an envelope is shown only where the reader has opened it, and then without the
challenge password.

Spec: RFC 8894 §3.2; feature row A38.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.x509 import Certificate

from sceplab_scep.attributes import MessageType
from sceplab_scep.cms import IssuerAndSerialNumber
from sceplab_scep.csr import read_csr
from sceplab_scep.degenerate import read_certs_only
from sceplab_scep.envelope import OpenedEnvelope, cipher_name, list_recipients
from sceplab_scep.errors import ScepError
from sceplab_scep.names import name_text
from sceplab_scep.signedattributes import ScepAttributes, read_scep_attributes
from sceplab_scep.signeddata import (
    ReceivedSignedData,
    carried_certificates,
    find_certificate,
    parse_signed_data,
)
from sceplab_scep.x509fields import fields_of, parse_name

_NAMES = {
    MessageType.CERT_REP: "CertRep",
    MessageType.RENEWAL_REQ: "RenewalReq",
    MessageType.PKCS_REQ: "PKCSReq",
    MessageType.CERT_POLL: "CertPoll",
    MessageType.GET_CERT: "GetCert",
    MessageType.GET_CRL: "GetCRL",
}
_EMPTY_CONTENT = {None: "absent", b"": "empty", b"\x00": "one zero byte"}
_LABEL_WIDTH = 15


@dataclass(frozen=True, slots=True)
class MessageTrace:
    """A message for people."""

    title: str
    """Message type, and for a CertRep its status: ``CertRep PENDING``."""
    lines: tuple[str, ...]
    """One fact a line, label first."""

    def __str__(self) -> str:
        return "\n".join((self.title, *(f"  {line}" for line in self.lines)))


def explain(data: bytes, *, opened: OpenedEnvelope | None = None) -> MessageTrace:
    """Explains a message of either direction, trusted or not.

    Args:
        data: the message.
        opened: what was in its envelope, where somebody could open it.

    Raises:
        RemoteProtocolError: it is no pkiMessage.
    """
    received = parse_signed_data(data)
    attributes = read_scep_attributes(received.attributes)
    title = _NAMES[attributes.message_type]
    if attributes.status is not None:
        title = f"{title} {attributes.status.name}"
    facts = [
        *_attribute_facts(attributes),
        *_signer_facts(received),
        *_content_facts(received.content, opened),
        *_payload_facts(attributes.message_type, opened),
        ("size", f"{len(data)} bytes"),
    ]
    facts += [("deviation", text) for text in (*received.deviations, *attributes.deviations)]
    return MessageTrace(
        title, tuple(f"{label:<{_LABEL_WIDTH}} {_visible(text)}" for label, text in facts)
    )


Fact = tuple[str, str]


def _visible(text: str) -> str:
    """The peer's text on one line; a terminal never gets its control characters."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _attribute_facts(attributes: ScepAttributes) -> list[Fact]:
    facts = [("transactionID", attributes.transaction_id)]
    for label, nonce in (
        ("senderNonce", attributes.sender_nonce),
        ("recipientNonce", attributes.recipient_nonce),
    ):
        if nonce is not None:
            facts.append((label, nonce.hex()))
    if attributes.fail_info is not None:
        facts.append(("failInfo", attributes.fail_info.wire_name))
    if attributes.fail_info_text:
        facts.append(("failInfoText", attributes.fail_info_text))
    if attributes.hresult is not None:
        facts.append(("HRESULT", f"0x{attributes.hresult & 0xFFFFFFFF:08x}"))
    if attributes.server_message:
        facts.append(("server message", attributes.server_message))
    if attributes.signing_time is not None:
        facts.append(("signingTime", f"{attributes.signing_time:%Y-%m-%d %H:%M:%S} UTC"))
    return facts


def _signer_facts(received: ReceivedSignedData) -> list[Fact]:
    digest = received.digest
    known = "unknown digest" if digest is None else digest.value
    signer = find_certificate(received.signer_info.sid, carried_certificates(received.signed_data))
    if signer is not None:
        own = "self-signed" if signer.subject == signer.issuer else "issued"
        return [("signed by", f"{_subject(signer)} ({own}), {known}")]
    sid = received.signer_info.sid
    if isinstance(sid, IssuerAndSerialNumber):
        return [("signed by", f"serial number {sid.serial_number:x}, not carried, {known}")]
    return [("signed by", f"a key not carried, {known}")]


def _content_facts(content: bytes | None, opened: OpenedEnvelope | None) -> list[Fact]:
    if content is None or content in _EMPTY_CONTENT:
        return [("envelope", _EMPTY_CONTENT[content])]
    try:
        recipients = list_recipients(content)
        cipher = cipher_name(content)
    except ScepError as error:
        return [("envelope", f"unreadable: {error}")]
    transport = "" if opened is None else f", {opened.key_transport.value}"
    facts = [("envelope", f"{cipher}{transport}")]
    for issuer, identity in recipients:
        if isinstance(identity, bytes):
            facts.append(("for", f"the key with identifier {identity.hex()}"))
        elif issuer is not None:
            facts.append(("for", f"serial number {identity:x} of {_name(issuer)}"))
    return facts


def _payload_facts(message_type: MessageType, opened: OpenedEnvelope | None) -> list[Fact]:
    """What the envelope holds, without the challenge password."""
    if opened is None:
        return []
    try:
        if message_type is MessageType.CERT_REP:
            return [
                (
                    "certificate",
                    f"{_subject(certificate)}, "
                    f"serial number {fields_of(certificate).serial_number:x}",
                )
                for certificate in read_certs_only(opened.plaintext)
            ]
        if message_type in {MessageType.PKCS_REQ, MessageType.RENEWAL_REQ}:
            csr = read_csr(opened.plaintext)
            given = "given, not shown" if csr.challenge else "none"
            return [("subject", name_text(csr.subject)), ("challenge", given)]
    except ScepError as error:
        return [("payload", f"unreadable: {error}")]
    return []


def _subject(certificate: Certificate) -> str:
    return name_text(certificate.subject) or "an empty name"


def _name(name_der: bytes) -> str:
    try:
        return name_text(parse_name(name_der))
    except (ScepError, ValueError):
        return "an unreadable name"
