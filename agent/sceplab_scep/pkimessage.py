"""pkiMessage: requests written, messages of both directions read and verified.

    pkiMessage = SignedData( EnvelopedData( payload ), signed attributes )

Spec: RFC 8894 §3; checklist 4 to 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.asn1 import encode_der

from sceplab_scep import oids
from sceplab_scep.algorithms import AlgorithmSuite, Digest, Floor
from sceplab_scep.attributes import FailInfo, MessageType, PkiStatus
from sceplab_scep.ber import decode_tolerant
from sceplab_scep.cms import IssuerAndSubject, wrap_der
from sceplab_scep.envelope import seal_envelope
from sceplab_scep.errors import RemoteProtocolError, SignatureInvalidError, UntrustedSignerError
from sceplab_scep.messages import CertPoll, PkcsReq, RenewalReq, Request
from sceplab_scep.names import name_text
from sceplab_scep.ports import MessageSigner
from sceplab_scep.signedattributes import (
    read_nonce,
    read_scep_attributes,
    read_transaction_id,
    request_attributes,
)
from sceplab_scep.signeddata import (
    ReceivedSignedData,
    build_signed_data,
    carried_certificates,
    find_certificate,
    parse_signed_data,
    verify_signed_data,
)
from sceplab_scep.x509fields import parse_name

_NO_CONTENT = (None, b"", b"\x00")
"""Spellings of "no envelope" that peers use. Spec: checklist M-13, T-08."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedMessage:
    """A pkiMessage whose signature verified. Whether the signer is to be trusted is not said."""

    message_type: MessageType
    transaction_id: str
    sender_nonce: bytes | None
    recipient_nonce: bytes | None
    status: PkiStatus | None
    """CertRep only, and always there."""
    fail_info: FailInfo | None
    """CertRep FAILURE only, and always there."""
    fail_info_text: str
    hresult: int | None
    server_message: str
    signing_time: datetime | None
    """UTC."""
    signer_certificate: x509.Certificate
    """The certificate that SignerInfo names and that verified the signature."""
    certificates: tuple[x509.Certificate, ...]
    """Every X.509 certificate the message carries; none when the signers were given."""
    digest: Digest
    content: bytes | None = field(repr=False)
    """The envelope, ``None`` when there is none."""
    deviations: tuple[str, ...] = ()
    """What is odd about the encoding, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyAddress:
    """What a server needs to answer a message it refuses. Nothing of it is verified."""

    transaction_id: str
    sender_nonce: bytes
    digest: Digest | None
    """Digest the sender named; ``None`` when it is unknown."""


def build_request(
    message: Request,
    *,
    signer: MessageSigner,
    signer_certificate: x509.Certificate,
    recipient: x509.Certificate,
    suite: AlgorithmSuite,
    now: datetime | None = None,
) -> bytes:
    """A complete pkiMessage.

    Args:
        message: what to ask for.
        signer: key of ``signer_certificate``.
        signer_certificate: self-signed for a first enrollment, the old one for a renewal.
        recipient: the RA or CA certificate to encrypt for.
        suite: algorithms to write with.
        now: written as signingTime, UTC; ``None`` leaves that out.

    Raises:
        LocalProtocolError: transactionID or nonce are not allowed, or the recipient is not RSA.

    Spec: RFC 8894 §3.1, §3.2; checklist M-05 to M-12, C-09.
    """
    return build_signed_data(
        seal_envelope(_encode_payload(message), recipient, suite),
        request_attributes(message, now),
        signer=signer,
        signer_certificate=signer_certificate,
        digest=suite.digest,
        certificates=[signer_certificate],
    )


def _encode_payload(message: Request) -> bytes:
    if isinstance(message, CertPoll):
        return encode_der(
            IssuerAndSubject(
                issuer=wrap_der(message.issuer.public_bytes()),
                subject=wrap_der(message.subject.public_bytes()),
            )
        )
    return message.csr_der


def read_pki_message(
    data: bytes, *, floor: Floor, signers: Sequence[x509.Certificate] | None = None
) -> SignedMessage:
    """Reads a message of either direction and verifies its signature; BER is tolerated.

    Args:
        data: the message.
        floor: weakest digest accepted.
        signers: the only certificates accepted as the signer's, for replies and for messages
            that carry none; ``None`` takes the one the message carries.

    Raises:
        MalformedMessageError: no SignedData.
        RemoteProtocolError: attributes missing, doubled, of the wrong type or undefined.
        UnsupportedAlgorithmError: an unknown algorithm or one below the floor.
        SignatureInvalidError: nobody we know signed it (`UntrustedSignerError` when it is a
            reply), or the signature does not verify.

    Spec: RFC 8894 §3.2; checklist C-18, C-40, M-06, S-42.
    """
    received = parse_signed_data(data)
    attributes = read_scep_attributes(received.attributes)
    is_reply = attributes.message_type is MessageType.CERT_REP
    carried = carried_certificates(received.signed_data) if signers is None else ()
    certificate = find_certificate(
        received.signer_info.sid, carried if signers is None else signers
    )
    if certificate is None:
        raise _unknown_signer(received, is_reply=is_reply, carries_none=signers is None)
    digest = verify_signed_data(received, certificate, floor, "server" if is_reply else "client")
    content = received.content
    return SignedMessage(
        message_type=attributes.message_type,
        transaction_id=attributes.transaction_id,
        sender_nonce=attributes.sender_nonce,
        recipient_nonce=attributes.recipient_nonce,
        status=attributes.status,
        fail_info=attributes.fail_info,
        fail_info_text=attributes.fail_info_text,
        hresult=attributes.hresult,
        server_message=attributes.server_message,
        signing_time=attributes.signing_time,
        signer_certificate=certificate,
        certificates=tuple(carried),
        digest=digest,
        content=None if content in _NO_CONTENT else content,
        deviations=(*received.deviations, *attributes.deviations),
    )


def _unknown_signer(
    received: ReceivedSignedData, *, is_reply: bool, carries_none: bool
) -> SignatureInvalidError:
    """The error for a message whose signer is not among the certificates looked at."""
    if carries_none:
        return SignatureInvalidError(
            "the message does not carry its signer's certificate",
            section="RFC 8894 §3.2",
            attribute="sid",
        )
    carried = carried_certificates(received.signed_data)
    claimed = find_certificate(received.signer_info.sid, carried)
    claim = f"; it carries that of {name_text(claimed.subject)}" if claimed is not None else ""
    kind = UntrustedSignerError if is_reply else SignatureInvalidError
    return kind(
        f"the message is signed by none of the certificates expected to sign it{claim}",
        section="RFC 8894 §3.2",
        attribute="sid",
    )


def read_request(signed: SignedMessage, plaintext: bytes) -> Request:
    """The request in a message whose envelope was opened.

    Args:
        signed: the message.
        plaintext: what was in its envelope.

    Raises:
        RemoteProtocolError: no senderNonce, or a message type this package does not read.
        MalformedMessageError: the payload is not what the message type says.

    Spec: RFC 8894 §3.3.1, §3.3.3.
    """
    if signed.sender_nonce is None:
        raise RemoteProtocolError(
            "a request has a senderNonce", section="RFC 8894 §3.2.1.5", attribute="senderNonce"
        )
    if signed.message_type is MessageType.PKCS_REQ:
        return PkcsReq(
            transaction_id=signed.transaction_id,
            sender_nonce=signed.sender_nonce,
            csr_der=plaintext,
        )
    if signed.message_type is MessageType.RENEWAL_REQ:
        return RenewalReq(
            transaction_id=signed.transaction_id,
            sender_nonce=signed.sender_nonce,
            csr_der=plaintext,
        )
    if signed.message_type is MessageType.CERT_POLL:
        names, _ = decode_tolerant(IssuerAndSubject, plaintext, "IssuerAndSubject")
        return CertPoll(
            transaction_id=signed.transaction_id,
            sender_nonce=signed.sender_nonce,
            issuer=parse_name(encode_der(names.issuer)),
            subject=parse_name(encode_der(names.subject)),
        )
    raise RemoteProtocolError(
        f"messageType {signed.message_type.value} is not served here",
        section="RFC 8894 §3.2.1.2",
        attribute="messageType",
    )


def read_reply_address(data: bytes) -> ReplyAddress:
    """Where to send the refusal of a message that `read_pki_message` does not accept.

    Raises:
        MalformedMessageError: no SignedData; there is nobody to answer.
        RemoteProtocolError: transactionID or senderNonce are missing or unusable.

    Spec: checklist S-40.
    """
    received = parse_signed_data(data)
    sender_nonce = read_nonce(received.attributes, oids.SENDER_NONCE)
    if sender_nonce is None:
        raise RemoteProtocolError(
            "a request has a senderNonce", section="RFC 8894 §3.2.1.5", attribute="senderNonce"
        )
    return ReplyAddress(
        transaction_id=read_transaction_id(received.attributes, []),
        sender_nonce=sender_nonce,
        digest=received.digest,
    )
