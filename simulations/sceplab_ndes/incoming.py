"""An enrollment request after it was opened: everything the server decides on, read once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_ndes.errors import RefusedError
from sceplab_scep.attributes import MessageType
from sceplab_scep.csr import CsrView, read_csr
from sceplab_scep.errors import ScepError
from sceplab_scep.names import name_text
from sceplab_scep.x509fields import certificate_der, fields_of


class Sender:
    """Who signed the message; the answer goes to this certificate.

    Spec: checklist S-42.
    """

    def __init__(self, certificate: x509.Certificate) -> None:
        self.certificate = certificate
        self.public_key = fields_of(certificate).public_key
        self.certificate_der = certificate_der(certificate)

    @property
    def can_receive(self) -> bool:
        """Whether an answer can be encrypted to it."""
        return isinstance(self.public_key, RSAPublicKey)

    def has_key_of(self, certificate_der: bytes) -> bool:
        """Whether another certificate, DER, has the same key."""
        return x509.load_der_x509_certificate(certificate_der).public_key() == self.public_key


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingRequest:
    """A PKCSReq or RenewalReq."""

    message_type: MessageType
    transaction_id: str
    message_digest: bytes
    """SHA-256 of the message as received."""
    sender: Sender
    csr: CsrView
    csr_digest: bytes
    key_digest: bytes
    """SHA-256 of the SubjectPublicKeyInfo in the request."""
    subject_text: str
    """Subject for people, RFC 4514."""


def read_incoming(
    *,
    message_type: MessageType,
    transaction_id: str,
    message: bytes,
    sender: Sender,
    csr_der: bytes,
) -> IncomingRequest:
    """Reads the certificate request inside a message.

    Raises:
        RefusedError: it is malformed, or its own signature does not verify.

    Spec: checklist S-49.
    """
    try:
        csr = read_csr(csr_der)
    except ScepError as error:
        raise RefusedError("request-malformed", str(error)) from error
    if not csr.is_signature_valid:
        raise RefusedError("request-signature")
    return IncomingRequest(
        message_type=message_type,
        transaction_id=transaction_id,
        message_digest=hashlib.sha256(message).digest(),
        sender=sender,
        csr=csr,
        csr_digest=hashlib.sha256(csr_der).digest(),
        key_digest=hashlib.sha256(csr.public_key_der).digest(),
        subject_text=name_text(csr.subject),
    )
