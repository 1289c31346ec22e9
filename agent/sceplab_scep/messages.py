"""SCEP messages as values: what a person means by PKCSReq, CertPoll and CertRep.

Nothing here is signed or encrypted; `pkimessage` turns these into bytes and back.

Spec: RFC 8894 §3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sceplab_scep.attributes import FailInfo, MessageType, PkiStatus

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True, kw_only=True)
class PkcsReq:
    """First enrollment (or a renewal in the implicit form, when an issued certificate signs it)."""

    transaction_id: str
    """PrintableString text, at most 255 characters, the same in every message of a transaction."""
    sender_nonce: bytes
    """16 random bytes, fresh for every message."""
    csr_der: bytes
    """PKCS#10 request, DER."""

    message_type = MessageType.PKCS_REQ


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalReq:
    """Renewal: signed with the certificate that is being replaced."""

    transaction_id: str
    sender_nonce: bytes
    csr_der: bytes

    message_type = MessageType.RENEWAL_REQ


@dataclass(frozen=True, slots=True, kw_only=True)
class CertPoll:
    """Asks for the outcome of a pending transaction (old name: GetCertInitial)."""

    transaction_id: str
    sender_nonce: bytes
    issuer: x509.Name
    """Subject of the CA that will issue (not of the RA)."""
    subject: x509.Name
    """Subject of the request."""

    message_type = MessageType.CERT_POLL


Request = PkcsReq | RenewalReq | CertPoll


@dataclass(frozen=True, slots=True, kw_only=True)
class CertRep:
    """The server's answer."""

    transaction_id: str
    recipient_nonce: bytes
    """Copy of the senderNonce of the message answered."""
    sender_nonce: bytes | None = None
    status: PkiStatus
    fail_info: FailInfo | None = None
    """Present exactly when ``status`` is FAILURE."""
    fail_info_text: str = ""
    """For a person only; never parsed. Spec: RFC 8894 §3.2.1.4."""
    hresult: int | None = None
    """NDES' error attribute 1.3.6.1.4.1.311.21.33, a signed 32-bit HRESULT. NDES 5.3."""
    server_message: str = ""
    """NDES' attribute 1.3.6.1.4.1.311.21.38, for example ``Issued``. NDES 5.3."""
    certificates: tuple[x509.Certificate, ...] = ()
    """SUCCESS: the issued certificate, possibly with its chain, in the order of the wire."""

    message_type = MessageType.CERT_REP
