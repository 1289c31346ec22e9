"""Events the machine feeds itself: what a judgement found, so that the table stays the decider.

An action that judges (a CA bundle, an issued certificate) changes no state; it puts one of these
behind the event that is being handled, and a row of the table says where that leads.
"""

from __future__ import annotations

from dataclasses import dataclass

from sceplab_agent.core.events import FailureCause
from sceplab_agent.core.values import TrustedCa


@dataclass(frozen=True, slots=True, kw_only=True)
class CaTrusted:
    """The fetched CA matches the pin, the anchor stored before, or is taken on first use."""

    ca: TrustedCa
    notes: tuple[str, ...] = ()
    """Ids of the journal catalogue: what changed without breaking trust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaUnpinned:
    """Nothing to compare the fetched CA with: the operator has to look at its fingerprint."""

    ca: TrustedCa


@dataclass(frozen=True, slots=True, kw_only=True)
class CaDistrusted:
    """The fetched CA is not the one that is pinned, or may not be used unpinned."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaSucceeded:
    """The next CA takes over: the server shows it, or its moment has come."""

    ca: TrustedCa


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCaKnown:
    """An enrollment that comes to rest knows the successor of its CA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalPursued:
    """The CA is pinned; what the operator wanted goes on, or is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFit:
    """The reply holds a certificate for our key that may be installed."""

    certificate_der: bytes
    chain_der: tuple[bytes, ...]
    """CA certificates from its issuer up to the anchor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateUnfit:
    """The reply holds no certificate that may be installed."""

    cause: FailureCause
    reason: str
    next_step: str = ""
    """What to do about it, where the cause alone does not tell."""
    is_unchanged: bool = False
    """Whether it is the certificate that was to be replaced."""


Verdict = (
    CaTrusted
    | CaUnpinned
    | CaDistrusted
    | CaSucceeded
    | NextCaKnown
    | GoalPursued
    | CertificateFit
    | CertificateUnfit
)
