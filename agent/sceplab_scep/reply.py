"""CertRep: written in the style a server chooses, read with every check a client owes itself.

Spec: RFC 8894 §3.3.2; checklist C-17, C-18, C-40, C-41, S-11 to S-14, M-13, T-03 to T-12.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography import x509

from sceplab_scep.algorithms import AlgorithmSuite, Floor
from sceplab_scep.attributes import MessageType, PkiStatus
from sceplab_scep.degenerate import build_certs_only, read_certs_only
from sceplab_scep.envelope import open_envelope, seal_envelope
from sceplab_scep.errors import (
    LocalProtocolError,
    NonceMismatchError,
    RemoteProtocolError,
    TransactionMismatchError,
)
from sceplab_scep.messages import CertRep
from sceplab_scep.pkimessage import SignedMessage, read_pki_message
from sceplab_scep.ports import MessageDecrypter, MessageSigner
from sceplab_scep.signedattributes import reply_attributes
from sceplab_scep.signeddata import build_signed_data

EmptyContent = Literal["omit", "empty", "zero"]
"""How FAILURE and PENDING spell "no envelope": no eContent, as the RFC has it; an empty OCTET
STRING, which every known client reads; one zero byte, as NDES. Spec: checklist M-13, T-08."""

SignatureOid = Literal["rsaEncryption", "shaNWithRSA"]
"""How SignerInfo names an RSA signature; the first is the widest-read. Spec: checklist T-03."""

_EMPTY_CONTENTS: dict[EmptyContent, bytes | None] = {"omit": None, "empty": b"", "zero": b"\x00"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyStyle:
    """Spellings of a CertRep on which servers differ."""

    empty_content: EmptyContent = "empty"
    include_certificates: bool = True
    """Whether the signer's certificate travels along; NDES leaves it out."""
    signature_oid: SignatureOid = "rsaEncryption"
    sorted_certificates: bool = False
    """Issued certificates in DER's order instead of leaf first. Spec: checklist 18."""


def build_cert_rep(
    rep: CertRep,
    *,
    signer: MessageSigner,
    signer_certificate: x509.Certificate,
    recipient: x509.Certificate | None,
    suite: AlgorithmSuite,
    style: ReplyStyle,
) -> bytes:
    """A complete answer.

    Args:
        rep: what to say.
        signer: key of ``signer_certificate``.
        signer_certificate: the RA's or CA's signing certificate.
        recipient: certificate that signed the request; needed for SUCCESS only.
        suite: algorithms, best those of the request (S-41).
        style: spellings.

    Raises:
        LocalProtocolError: SUCCESS without recipient or certificates, certificates without
            SUCCESS, a recipient that is not RSA, or failInfo that does not fit the status.

    Spec: RFC 8894 §3.3.2; checklist S-11 to S-14, S-41, S-42.
    """
    is_success = rep.status is PkiStatus.SUCCESS
    if is_success != bool(rep.certificates):
        raise LocalProtocolError("a CertRep has certificates exactly when it is a SUCCESS")
    if not is_success:
        content = _EMPTY_CONTENTS[style.empty_content]
    elif recipient is None:
        raise LocalProtocolError("a CertRep SUCCESS is encrypted for somebody")
    else:
        bundle = build_certs_only(rep.certificates, sorted_set=style.sorted_certificates)
        content = seal_envelope(bundle, recipient, suite)
    return build_signed_data(
        content,
        reply_attributes(rep),
        signer=signer,
        signer_certificate=signer_certificate,
        digest=suite.digest,
        certificates=[signer_certificate] if style.include_certificates else [],
        names_digest_in_signature=style.signature_oid == "shaNWithRSA",
    )


def read_cert_rep(
    data: bytes,
    *,
    transaction_id: str,
    sender_nonce: bytes,
    decrypter: MessageDecrypter,
    decrypter_certificate: x509.Certificate,
    trusted_signers: Sequence[x509.Certificate],
    floor: Floor,
) -> CertRep:
    """Reads an answer and makes sure that it is one, to us, to this message, from that server.

    Args:
        data: the body of the HTTP reply.
        transaction_id: of the message answered.
        sender_nonce: of the message answered (of the poll, when it was a poll).
        decrypter: key of ``decrypter_certificate``.
        decrypter_certificate: certificate the message answered was signed with.
        trusted_signers: certificates obtained with GetCACert and pinned; what the reply carries
            counts for nothing.
        floor: weakest algorithms accepted.

    Raises:
        RemoteProtocolError: malformed, not a CertRep, or SUCCESS without a certificate; its
            subclasses say what does not match: signature, transactionID, nonce, envelope.
        UnsupportedAlgorithmError: an unknown algorithm or one below the floor.

    Spec: RFC 8894 §3.3.2; checklist C-17, C-18, C-40, C-41, C-46, T-08, T-12.
    """
    signed = read_pki_message(data, floor=floor, signers=trusted_signers)
    status = _status_of(signed)
    _check_addressed_to_us(signed, transaction_id, sender_nonce)
    certificates: tuple[x509.Certificate, ...] = ()
    if status is PkiStatus.SUCCESS:
        certificates = _open_certificates(signed, decrypter, decrypter_certificate, floor)
    return CertRep(
        transaction_id=signed.transaction_id,
        recipient_nonce=sender_nonce,
        sender_nonce=signed.sender_nonce,
        status=status,
        fail_info=signed.fail_info,
        fail_info_text=signed.fail_info_text,
        hresult=signed.hresult,
        server_message=signed.server_message,
        certificates=certificates,
    )


def _status_of(signed: SignedMessage) -> PkiStatus:
    if signed.message_type is not MessageType.CERT_REP or signed.status is None:
        raise RemoteProtocolError(
            f"the server answered with a {signed.message_type.name}, not with a CertRep",
            section="RFC 8894 §3.3.2",
            attribute="messageType",
        )
    return signed.status


def _check_addressed_to_us(signed: SignedMessage, transaction_id: str, sender_nonce: bytes) -> None:
    # RFC 8894 §3.2.1.1: the same in every message of a transaction; whole, not a prefix (T-46).
    if signed.transaction_id != transaction_id:
        raise TransactionMismatchError(
            f"the reply is for transaction {signed.transaction_id!r}, not for {transaction_id!r}",
            section="RFC 8894 §3.2.1.1",
            attribute="transactionID",
        )
    # RFC 8894 §3.2.1.5: the reply's recipientNonce must equal our senderNonce.
    received = signed.recipient_nonce or b""
    if not hmac.compare_digest(received, sender_nonce):
        raise NonceMismatchError(
            "the reply's recipientNonce is not the nonce that was sent"
            if received
            else "the reply has no recipientNonce",
            section="RFC 8894 §3.2.1.5",
            attribute="recipientNonce",
        )


def _open_certificates(
    signed: SignedMessage,
    decrypter: MessageDecrypter,
    decrypter_certificate: x509.Certificate,
    floor: Floor,
) -> tuple[x509.Certificate, ...]:
    certificates: list[x509.Certificate] = []
    if signed.content is not None:
        opened = open_envelope(
            signed.content, recipients=[(decrypter_certificate, decrypter)], floor=floor
        )
        certificates = read_certs_only(opened.plaintext) if opened.plaintext else []
    if not certificates:
        raise RemoteProtocolError(
            "SUCCESS without a certificate (Dogtag writes this while a request waits)",
            section="RFC 8894 §3.3.2.1",
            attribute="certificates",
        )
    return tuple(certificates)
