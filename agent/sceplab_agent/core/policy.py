"""What the operator decided in advance: pins, floors, waiting times, renewal.

Plain values; `sceplab_agent.config` reads them from TOML, device profiles make their own.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from sceplab_scep.algorithms import Floor
from sceplab_scep.key_usage import KeyUse
from sceplab_scep.ra_rule import RaRule


class PinAlgorithm(enum.Enum):
    """Hash of a CA fingerprint. SHA-1 and MD5 only in an explicitly labelled legacy pin."""

    SHA256 = "sha256"
    SHA1 = "sha1"
    MD5 = "md5"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaPin:
    """Fingerprint over the complete DER of a CA certificate.

    Spec: RFC 8894 §2.2; checklist 15.
    """

    algorithm: PinAlgorithm
    digest: bytes


class UnpinnedCa(enum.Enum):
    """What to do with a CA certificate when no pin is configured."""

    REFUSE = "refuse"
    ASK = "ask"
    """Show the fingerprint to the operator and wait (a router console)."""
    TOFU = "tofu"
    """Trust on first use, recorded as such."""


class Recovery(enum.Enum):
    """First step after a request that was never answered. Spec: RFC 8894 §5.2."""

    RETRANSMIT = "retransmit"
    POLL = "poll"
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waiting times in seconds: ``first_s * growth**n``, never above ``ceiling_s``."""

    first_s: float = 60.0
    growth: float = 1.5
    ceiling_s: float = 3600.0
    jitter_share: float = 0.0
    """Each wait is lengthened by up to this share of itself (0 to 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """Pending polling. Spec: RFC 8894 §4.4; checklist 11."""

    backoff: Backoff = field(default_factory=Backoff)
    max_polls: int = 100
    max_wait_s: float = 7 * 86400.0
    """Absolute limit of one transaction, from its first PENDING."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Repeats after transport failures and unusable replies."""

    backoff: Backoff = field(
        default_factory=lambda: Backoff(first_s=10.0, growth=2.0, ceiling_s=900.0)
    )
    max_attempts: int = 8
    """Attempts of one step; a renewal keeps trying until the certificate ends."""


class AfterExpiry(enum.Enum):
    """What follows when a certificate ended before it was renewed."""

    ENROLL = "enroll"
    """A first enrollment by itself, with the challenge password that is configured."""
    STOP = "stop"
    """Nothing until the operator asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalPolicy:
    """When and how the installed certificate is replaced. Checklist 13."""

    enabled: bool = True
    at_share: float = 0.7
    """Share of the lifetime after which renewal starts, 0 to 1."""
    days_before_end: float | None = None
    """Alternatively this many days before the end; the later of the two moments counts when both
    are set. Checklist 13.8."""
    jitter_share: float = 0.0
    """Renewal starts earlier by up to this share of the lifetime (0 to 1), drawn once for each
    certificate, so that a fleet does not renew in one minute."""
    new_key: bool = True
    """A new key for the new certificate. Spec: RFC 8894 §2.5 (SHOULD)."""
    send_challenge: bool = False
    """Servers that demand the challenge again: micromdm, step-ca (T-24)."""
    implicit: bool = False
    """PKCSReq signed with the old certificate instead of RenewalReq (checklist 13.5)."""
    least_gap_s: float = 3600.0
    """No renewal starts by itself sooner after an installation, seconds; half of what is left of
    the certificate if that is less. See `schedule.earliest_renewal_at`."""
    after_expiry: AfterExpiry = AfterExpiry.ENROLL
    """What follows an end without a successor, where ``enabled``."""

    @property
    def enrolls_after_expiry(self) -> bool:
        """Whether an expired certificate is replaced without the operator."""
        return self.enabled and self.after_expiry is AfterExpiry.ENROLL


class RolloverMode(enum.Enum):
    """What to do about a next CA that the current one has signed."""

    AUTO = "auto"
    """Take it: the signature of the current CA is the trust. Spec: RFC 8894 §4.7.1."""
    ASK = "ask"
    """The operator has to accept its fingerprint."""
    OFF = "off"
    """Never ask the server for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloverPolicy:
    """How the successor of the CA is found and taken. Checklist 14."""

    mode: RolloverMode = RolloverMode.AUTO
    check_every_s: float = 86400.0
    """How long an answer holds that named no successor, seconds."""
    switch_before_s: float = 3600.0
    """How long before the end of the current CA the next one is taken at the latest, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentPolicy:
    """Everything the machine has to know of a trustpoint."""

    name: str
    """Name of the trustpoint."""
    pin: CaPin | None = None
    unpinned_ca: UnpinnedCa = UnpinnedCa.REFUSE
    ra_rule: RaRule = field(default_factory=RaRule)
    """Which certificates of the CA may receive requests and sign replies in its place."""
    floor: Floor = Floor.MODERN
    key_id: str = ""
    """Name of the first key; empty: derived from the trustpoint's name. Later generations are
    named ``<key_id>.<generation>``."""
    owns_key: bool = True
    """Whether the machine may delete the first key once it is replaced."""
    uses_challenge: bool = True
    """Whether a first enrollment carries a challenge password."""
    key_use: KeyUse | None = None
    """What the certificate is asked for; ``None``: the request does not say."""
    poll: PollPolicy = field(default_factory=PollPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    renewal: RenewalPolicy = field(default_factory=RenewalPolicy)
    rollover: RolloverPolicy = field(default_factory=RolloverPolicy)
    recovery: Recovery = Recovery.RETRANSMIT
    hands_over: bool = False
    """Whether a certificate becomes the active one only when its consumers have taken it."""
    clock_skew_s: float = 300.0
    """Tolerance when a certificate's validity is held against the clock."""

    @property
    def first_key_id(self) -> str:
        """Name of the first key; those of later generations begin with it."""
        return self.key_id or self.name
