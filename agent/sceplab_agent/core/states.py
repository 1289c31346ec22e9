"""States of an enrollment, each with the RFC 8894 state it refines.

Spec: RFC 8894 §2.5.1; checklist part 8.
"""

from __future__ import annotations

import enum


class RfcState(enum.Enum):
    """The three client states of the RFC."""

    CERT_NONEXISTENT = "CERT-NONEXISTENT"
    CERT_REQ_PENDING = "CERT-REQ-PENDING"
    CERT_ISSUED = "CERT-ISSUED"


class State(enum.Enum):
    """Where an enrollment stands. The value is what journals, tables and diagrams show."""

    UNCONFIGURED = "UNCONFIGURED"
    """No trustpoint."""
    CONFIGURED = "CONFIGURED"
    """URL, subject and key parameters are present."""
    CA_FETCH = "CA_FETCH"
    """GetCACaps and GetCACert are out, or the operator looks at the fingerprint."""
    BLOCKED = "BLOCKED"
    """The CA is not trusted (pin mismatch, or nothing to compare with): never retried without the
    operator."""
    CA_PINNED = "CA_PINNED"
    """The CA is trusted."""
    KEYGEN = "KEYGEN"
    """The key is being made or found."""
    NEEDS_CHALLENGE = "NEEDS_CHALLENGE"
    """A new request needs a new challenge password: waits for the operator."""
    REQUESTING = "REQUESTING"
    """PKCSReq or RenewalReq is being built or is out."""
    PENDING = "PENDING"
    """The CA waits for an approval; we poll."""
    EXPIRED_TXN = "EXPIRED_TXN"
    """Polls or the transaction's time are used up."""
    RETRY_WAIT = "RETRY_WAIT"
    """A step failed for a passing reason; it is repeated at a set time."""
    ISSUED_UNVERIFIED = "ISSUED_UNVERIFIED"
    """A certificate arrived and is being judged and installed."""
    HANDING_OVER = "HANDING_OVER"
    """The new certificate is being handed to its consumers; the one before is still active."""
    INSTALLED = "INSTALLED"
    """The certificate is active."""
    RENEW_DUE = "RENEW_DUE"
    """The renewal threshold is reached; the CA certificates are being fetched again."""
    ROLLOVER = "ROLLOVER"
    """A next CA certificate is known and verified, not yet active."""
    FAILED = "FAILED"
    """Refused, or attempts are used up: waits for the operator."""

    @property
    def rfc_state(self) -> RfcState:
        """The state of RFC 8894 figure 1 that this one refines, before there is a certificate."""
        return _RFC_STATES.get(self, RfcState.CERT_NONEXISTENT)


_RFC_STATES = {
    State.REQUESTING: RfcState.CERT_REQ_PENDING,
    State.PENDING: RfcState.CERT_REQ_PENDING,
    State.ISSUED_UNVERIFIED: RfcState.CERT_REQ_PENDING,
    State.HANDING_OVER: RfcState.CERT_ISSUED,
    State.INSTALLED: RfcState.CERT_ISSUED,
    State.RENEW_DUE: RfcState.CERT_ISSUED,
    State.ROLLOVER: RfcState.CERT_ISSUED,
}
