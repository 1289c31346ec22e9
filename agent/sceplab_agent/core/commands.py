"""What the core asks for: imperatives that a driver carries out in order.

Every effect that cannot be taken back (`GenerateKey`, `DeleteKey`, `SendRequest`,
`InstallCertificate`, `HandOver`) stands directly behind the `Record` that lets a restart decide
what happened. A driver commits a `Record` before it starts the next command.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from sceplab_scep.attributes import MessageType
from sceplab_scep.capabilities import Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Commit the machine's snapshot and this journal entry, durably."""

    event_id: str
    """Dotted name of the journal catalogue, for example ``enrollment.pending``."""
    details: Mapping[str, str | int | bool | None]
    """What a person wants to know; never a secret."""
    snapshot: Mapping[str, object]
    """`EnrollmentMachine.snapshot()` at this point of the list, JSON-ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchCa:
    """GetCACaps and GetCACert. Answer: `CaCertificatesReceived` or `TransportFailed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchNextCa:
    """GetCACaps and, where it is listed, GetNextCACert.

    Answer: `NextCaReceived`, `NextCaAbsent` or `TransportFailed`.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOperator:
    """Show the CA's fingerprints and wait. Answer: `CaAccepted` or `CaRefused`."""

    certificate_der: bytes
    """The CA certificate in question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateKey:
    """Make the key, or find it when it exists. Answer: `KeyReady` or `KeyFailed`."""

    key_id: str
    must_exist: bool = False
    """The key of the certificate in use: found or not, never made anew under that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteKey:
    """Destroy a retired key. Answer: `KeyDeleted` or `KeyFailed`. Never the active one."""

    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """Build and sign a pkiMessage. Answer: `RequestBuilt` or `RequestFailed`."""

    message_type: MessageType
    """PKCS_REQ, RENEWAL_REQ or CERT_POLL."""
    transaction_id: str
    key_id: str
    """Key of the CSR."""
    signer_key_id: str
    """Key that signs the message: the CSR's, or at renewal the active one."""
    signer_certificate_der: bytes | None
    """Certificate to sign with; ``None``: make a self-signed one for the CSR's key."""
    subject_certificate_der: bytes | None
    """Renewal: subject and SAN are taken from this certificate. ``None``: from configuration."""
    include_challenge: bool
    recipient_der: bytes
    """Certificate the envelope is addressed to."""
    issuer_der: bytes
    """CA that will issue; its subject goes into a CertPoll."""
    capabilities: Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """Send the message and judge the reply.

    Answer: `ReplyIssued`, `ReplyPending`, `ReplyRejected` or `TransportFailed`.
    """

    message_type: MessageType
    message_der: bytes
    transaction_id: str
    sender_nonce: bytes
    signer_key_id: str
    """Key that opens the reply."""
    signer_certificate_der: bytes
    """Certificate the reply is encrypted to."""
    trusted_signers_der: tuple[bytes, ...]
    """Certificates a reply may be signed with: fetched and pinned before."""
    use_post: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallCertificate:
    """Put certificate and chain in their place, atomically.

    Answer: `CertificateInstalled` or `InstallFailed`.
    """

    generation: int
    key_id: str
    certificate_der: bytes
    chain_der: tuple[bytes, ...]
    """CA certificates from the issuer up to the anchor."""
    is_candidate: bool = False
    """A hand-off follows: the certificate before stays in its place until that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Have every consumer use the installed candidate, or bring all back to what they used before.

    Given again after a restart and after a failure. Answer: `HandedOver` or `HandOffFailed`.
    """

    generation: int
    key_id: str
    certificate_der: bytes
    chain_der: tuple[bytes, ...]
    """CA certificates from the issuer up to the anchor."""


class NoticeLevel(enum.Enum):
    """How loud a notice is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tell whoever watches; nothing depends on it. Same shape as a journal entry."""

    event_id: str
    level: NoticeLevel
    details: Mapping[str, str | int | bool | None]


Command = (
    Record
    | FetchCa
    | FetchNextCa
    | AskOperator
    | GenerateKey
    | DeleteKey
    | BuildRequest
    | SendRequest
    | InstallCertificate
    | HandOver
    | Notify
)
