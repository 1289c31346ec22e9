"""What can happen to an enrollment: facts in the past tense, the only input of the machine."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from sceplab_scep.attributes import FailInfo
from sceplab_scep.capabilities import Capabilities


class FailureCause(enum.Enum):
    """Whose fault a failed step is; decides retry and the exit code."""

    CONFIGURATION = "configuration"
    TRUST = "trust"
    REJECTED = "rejected"
    TRANSPORT = "transport"
    KEY_STORE = "key-store"
    STORAGE = "storage"
    """Certificates cannot be written: disk full, read-only or failing."""
    HANDOFF = "handoff"
    """A consumer does not take the certificate, or does not work with it."""
    PEER = "peer"
    """The peer's reply is malformed, forged or not for us."""
    EXHAUSTED = "exhausted"
    """Polls or attempts are used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustpointConfigured:
    """URL, subject and key are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticateRequested:
    """The operator wants the CA certificates fetched and trusted, nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollRequested:
    """The operator (or the policy) wants a certificate. Also re-enrolls an installed one."""

    has_challenge: bool = True
    """Whether a challenge password is at hand for a first enrollment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewRequested:
    """The operator wants the installed certificate renewed now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequested:
    """The operator wants what waits for another attempt tried now, not at the end of its pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaCertificatesReceived:
    """GetCACaps and GetCACert were answered."""

    certificates_der: tuple[bytes, ...]
    """Every certificate of the answer, DER, in the order of the wire."""
    capabilities: Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCaReceived:
    """GetNextCACert was answered."""

    body: bytes
    """The signed answer, unread."""
    capabilities: Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCaAbsent:
    """The server has no next CA, or does not know the operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaAccepted:
    """The operator compared the fingerprint and accepts the CA certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaRefused:
    """The operator refuses the CA certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReady:
    """The key of the transaction exists in its store."""

    key_id: str
    public_key_der: bytes
    """SubjectPublicKeyInfo, DER."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFailed:
    """The key store refused."""

    reason: str
    key_id: str = ""
    """The key concerned; empty: the one of the transaction."""
    is_retryable: bool = True
    """Whether the same may succeed later: a token comes back, a wrong PIN does not get right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBuilt:
    """A pkiMessage is signed and ready to leave."""

    message_der: bytes
    """The whole pkiMessage, kept byte for byte for a retransmission."""
    sender_nonce: bytes
    signer_certificate_der: bytes
    """Certificate the message is signed with; replies are encrypted to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFailed:
    """The message could not be built: key store, configuration, or algorithms below the floor."""

    cause: FailureCause
    reason: str
    is_retryable: bool = True
    """Of a key store's failure: whether the same may succeed later. Others never pass."""
    next_step: str = ""
    """What to do about it, where the cause alone does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPending:
    """A verified CertRep PENDING."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyIssued:
    """A verified CertRep SUCCESS, decrypted."""

    reply_der: bytes
    """The raw reply, kept until the certificate is installed."""
    certificates_der: tuple[bytes, ...]
    """Every certificate of the reply, DER, in the order of the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRejected:
    """A verified CertRep FAILURE."""

    fail_info: FailInfo
    text: str
    hresult: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFailed:
    """No usable answer: connection, HTTP status, or a body that is no valid reply to us."""

    cause: FailureCause
    reason: str
    is_retryable: bool
    next_step: str = ""
    """What to do about it, where the cause alone does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInstalled:
    """The certificate is durably in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallFailed:
    """The certificate could not be put in its place; the old one is still active."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """Every consumer works with the new certificate; none of them needs the old one."""

    proof: str
    """What was proved, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffFailed:
    """The consumers do not work with the new certificate."""

    reason: str
    may_pass: bool
    """Whether the same may succeed later: a daemon comes up, a wrong usage does not get right."""
    is_undone: bool = True
    """Whether every consumer is back at the old certificate; else the new key has to stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDeleted:
    """A retired key is gone from its store (or was not there)."""

    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeProvided:
    """The operator supplied a new challenge password (which never enters the core)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentCancelled:
    """The operator gives the running transaction up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineReached:
    """The moment `next_deadline()` named has come. Early or late is harmless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """The process runs again from a snapshot: whatever was under way has lost its answer.

    A driver feeds it once, after `EnrollmentMachine.restore` and before anything else.
    """


Event = (
    TrustpointConfigured
    | AuthenticateRequested
    | EnrollRequested
    | RenewRequested
    | RetryRequested
    | CaCertificatesReceived
    | NextCaReceived
    | NextCaAbsent
    | CaAccepted
    | CaRefused
    | KeyReady
    | KeyFailed
    | RequestBuilt
    | RequestFailed
    | ReplyPending
    | ReplyIssued
    | ReplyRejected
    | TransportFailed
    | CertificateInstalled
    | InstallFailed
    | HandedOver
    | HandOffFailed
    | KeyDeleted
    | ChallengeProvided
    | EnrollmentCancelled
    | DeadlineReached
    | Restarted
)
