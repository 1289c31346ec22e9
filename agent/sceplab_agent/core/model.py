"""Everything one enrollment remembers. The table moves ``state``; actions set the rest."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sceplab_agent.core.next_ca import Consent, NextCa
from sceplab_agent.core.next_steps import NEXT_CA
from sceplab_agent.core.policy import EnrollmentPolicy, RolloverMode
from sceplab_agent.core.rollover import begins_at, belongs_to, ends_at, fetch_at, switch_at
from sceplab_agent.core.schedule import earliest_renewal_at, poll_window_s, renewal_at
from sceplab_agent.core.shadow import shadow_at
from sceplab_agent.core.states import State
from sceplab_agent.core.values import (
    ActiveCertificate,
    Failure,
    HandOffOutcome,
    NewKey,
    SentMessage,
    TrustedCa,
)
from sceplab_scep.attributes import MessageType

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
"""Before every timestamp."""


class Goal(enum.Enum):
    """What the operator or the schedule wants."""

    NONE = "none"
    AUTHENTICATE = "authenticate"
    """Fetch and trust the CA, nothing more."""
    ENROLL = "enroll"
    """A certificate on the strength of a challenge or an approval."""
    RENEW = "renew"
    """A certificate on the strength of the one in use."""
    ROLLOVER = "rollover"
    """A certificate of the next CA, to be kept until the switch."""


class Awaited(enum.Enum):
    """The answer that is outstanding. One at a time (C-29)."""

    NOTHING = "nothing"
    CA = "ca"
    NEXT_CA = "next-ca"
    """The server is asked for its next CA; everything else may begin meanwhile."""
    OPERATOR = "operator"
    KEY = "key"
    MESSAGE = "message"
    """The message is being built and signed."""
    REPLY = "reply"
    INSTALLATION = "installation"
    HANDOFF = "handoff"


class Resume(enum.Enum):
    """The step that RETRY_WAIT goes on with."""

    FETCH = "fetch"
    """The CA certificates, then a transaction of its own."""
    KEY = "key"
    BUILD = "build"
    """The request was never sent: build it again."""
    RETRANSMIT = "retransmit"
    """The request was never answered: the same bytes again."""
    ASK = "ask"
    """The request was never answered: ask for its outcome with a CertPoll."""
    ANEW = "anew"
    """The request was never answered: a new transaction with the same key."""
    POLL = "poll"
    """The transaction is pending: the next CertPoll."""
    INSTALL = "install"
    HAND_OVER = "hand-over"
    """The consumers did not take the certificate: hand the same one over again."""

    @property
    def needs_certificate(self) -> bool:
        """Whether a renewal can only do this while the active certificate has not ended."""
        return self in (Resume.FETCH, Resume.KEY, Resume.BUILD, Resume.ANEW)


@dataclass(slots=True, kw_only=True)
class Transaction:
    """One transactionID, from the choice of the id to its end."""

    transaction_id: str
    message_type: MessageType
    """PKCS_REQ or RENEWAL_REQ: the message that opens it."""
    signer_key_id: str
    signer_certificate_der: bytes | None
    """``None`` until a self-signed one was made for the first message."""
    subject_certificate_der: bytes | None
    include_challenge: bool
    sent: SentMessage | None = None
    """The message that left last."""
    unanswered: int = 0
    """How often the request was sent in vain."""
    is_asking: bool = False
    """Whether a CertPoll asks for the outcome of an unanswered request."""
    polls: int = 0
    """CertPolls sent since the first PENDING."""
    deadline_at: datetime | None = None
    """End of the polling; ``None`` before the first PENDING, unless something else sets it."""
    reply_der: bytes = b""
    reply_certificates_der: tuple[bytes, ...] = ()
    issued_der: bytes = b""
    """The certificate that is being installed."""
    issued_chain_der: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A certificate of the next CA that is kept until the switch. Nothing uses it before."""

    key: NewKey
    transaction: Transaction
    """Closed; with the reply, and the certificate that was judged fit. Not to be changed."""
    not_before: datetime
    not_after: datetime


@dataclass(slots=True)
class Enrollment:
    """The model that the transition table moves. Never registered with it."""

    state: State = State.UNCONFIGURED
    goal: Goal = Goal.NONE
    awaited: Awaited = Awaited.NOTHING
    resume: Resume | None = None
    """Set in RETRY_WAIT only."""
    ca: TrustedCa | None = None
    candidate: TrustedCa | None = None
    """A CA the operator is looking at."""
    next_ca: NextCa | None = None
    """The successor of ``ca``."""
    next_ca_asked_at: datetime | None = None
    """When the server was last asked for one."""
    shadow: Shadow | None = None
    """Of the next CA."""
    active: ActiveCertificate | None = None
    successor: ActiveCertificate | None = None
    """A certificate on its way to its consumers, or refused by them; its key is ``new_key``."""
    is_handoff_open: bool = False
    """Whether a consumer may be using the successor."""
    last_handoff: HandOffOutcome | None = None
    new_key: NewKey | None = None
    transaction: Transaction | None = None
    retired_keys: tuple[str, ...] = ()
    """Keys of ours that nothing uses any more and that are still to be deleted."""
    failure: Failure | None = None
    wake_at: datetime | None = None
    """Next poll, next attempt, or the end of a pause; which one, the state says."""
    attempts: int = 0
    """Failures in a row of the present step."""
    rounds: int = 0
    """Transactions in a row that ended without a certificate."""
    has_challenge: bool = False
    """Whether a challenge password that was not sent yet is at hand."""
    is_recovered: bool = False
    """Whether a lost transaction was already replaced by a new one; that happens once."""
    is_expiry_noted: bool = False
    """Whether it was reported that the active certificate has ended."""
    gap_from: datetime | None = None
    """From when the gap before the next renewal counts, if the clock was ahead at the installation.
    """
    newest_at: datetime = LONG_AGO
    """Newest moment ever recorded; lowered by a fresh certificate that fits an earlier clock."""
    is_clock_set: bool = True
    """Whether the last event did not come from before ``newest_at``."""
    renewal_at: datetime | None = None
    """Derived from the active certificate, the CAs and the policy; never stored."""
    next_ca_check_at: datetime | None = None
    """When to ask for the next CA. Derived."""
    switch_at: datetime | None = None
    """When the next CA takes over at the latest. Derived."""
    shadow_at: datetime | None = None
    """When to ask for a certificate of the next CA. Derived."""
    take_over_at: datetime | None = None
    """When the kept certificate is put in use. Derived."""

    @property
    def ca_at_work(self) -> TrustedCa | None:
        """The CA that the open transaction is for."""
        if self.goal is Goal.ROLLOVER:
            return self.next_ca.ca if self.next_ca is not None else None
        return self.ca

    @property
    def switch_due_at(self) -> datetime | None:
        """When the kept certificate is put in use; ``None``: there is none, or another waits."""
        return self.take_over_at if self.successor is None else None

    @property
    def interrupted_at(self) -> datetime | None:
        """When whatever is under way gives way to something else."""
        return self.renewal_at if self.goal is Goal.ROLLOVER else self.switch_due_at

    def wait_for(self, awaited: Awaited) -> None:
        """Nothing is waited for but this answer."""
        self.awaited = awaited
        self.resume = None
        self.wake_at = None

    def is_next_ca_accepted(self, policy: EnrollmentPolicy) -> bool:
        """Whether the next CA may take over."""
        if self.next_ca is None or policy.rollover.mode is RolloverMode.OFF:
            return False
        if self.next_ca.consent is Consent.NONE:
            return policy.rollover.mode is RolloverMode.AUTO
        return self.next_ca.consent is Consent.ACCEPTED

    def is_next_ca_asked(self, policy: EnrollmentPolicy) -> bool:
        """Whether the next CA needs the operator's consent."""
        is_wanted = self.next_ca is not None and policy.rollover.mode is not RolloverMode.OFF
        return is_wanted and not self.is_next_ca_accepted(policy)

    def is_delay_news(self, policy: EnrollmentPolicy) -> bool:
        """Whether a switch without consent has to be reported when it is due."""
        is_noted = self.next_ca is not None and self.next_ca.is_delay_noted
        return self.is_next_ca_asked(policy) and not is_noted

    def schedule(self, policy: EnrollmentPolicy) -> None:
        """Derives the moments that follow from the active certificate, the CAs and the policy."""
        active, ca = self.active, self.ca
        self.renewal_at = self.next_ca_check_at = self.switch_at = None
        self.shadow_at = self.take_over_at = None
        if active is None:
            return
        self.renewal_at = renewal_at(
            policy.renewal, policy.poll, active.not_before, active.not_after, active.jitter
        )
        gap_from = self.gap_from or active.installed_at
        earliest = earliest_renewal_at(
            policy.renewal,
            gap_from,
            active.not_after,
            is_gainless=active.gainless > 0,
        )
        self.renewal_at = max(self.renewal_at, earliest)
        if ca is None:
            return
        if ca.succession is not None and not belongs_to(active.certificate_der, ca, policy):
            # The switch has begun: the certificate is still of the CA before.
            self.renewal_at = min(self.renewal_at, max(ca.since, earliest))
        if self.next_ca is not None:
            before_s = policy.rollover.switch_before_s
            self.switch_at = switch_at(ca, self.next_ca.ca, before_s=before_s)
            if self.is_next_ca_accepted(policy):
                # The switch waits for nothing, unless it was tried with this certificate's renewal.
                is_ahead = self.switch_at > gap_from
                least = min(earliest, self.switch_at) if is_ahead else earliest
                self.renewal_at = min(self.renewal_at, max(self._leave_at(ca, policy), least))
                if policy.renewal.enabled:
                    self._schedule_shadow(policy)
        if policy.rollover.mode is not RolloverMode.OFF:
            check_at = self._check_at(ca, policy, active.jitter)
            is_early = self.switch_at is None or check_at < self.switch_at
            self.next_ca_check_at = check_at if is_early else None

    def _schedule_shadow(self, policy: EnrollmentPolicy) -> None:
        """When a certificate of the next CA is asked for, or the kept one takes over."""
        active, following = self.active, self.next_ca
        latest, renews_at = self.switch_at, self.renewal_at
        assert active is not None
        assert following is not None
        assert latest is not None
        assert renews_at is not None
        is_lasting = active.not_after >= latest
        if self.shadow is not None:
            begins = max(self.shadow.not_before, begins_at(following.ca))
            self.take_over_at = max(begins, min(latest, active.not_after))
            self.renewal_at = max(renews_at, latest) if is_lasting else renews_at
            return
        is_signed = policy.renewal.implicit or following.ca.capabilities.supports_renewal
        # A challenge password would be spent on something that is not needed yet.
        if is_lasting and (is_signed or not policy.uses_challenge):
            self.shadow_at = shadow_at(
                earliest=max(following.learned_at, self.gap_from or active.installed_at),
                switch_at=latest,
                renewal_at=renews_at,
                lifetime=active.not_after - active.not_before,
                poll_window=timedelta(seconds=poll_window_s(policy.poll)),
                spread=active.jitter * timedelta(seconds=policy.rollover.check_every_s),
                not_before=following.shadow_pause_to,
            )

    def reenrollment_at(self, policy: EnrollmentPolicy) -> datetime | None:
        """When an expired certificate is enrolled for by itself; ``None``: it is not."""
        active = self.active
        if active is None or not self.is_expiry_noted or not policy.renewal.enrolls_after_expiry:
            return None
        return max(active.not_after, self.wake_at or active.not_after)

    def can_renew_at(self, moment: datetime) -> bool:
        """Whether there was a valid certificate at a moment, and none that was seen to end."""
        active = self.active
        return active is not None and not self.is_expiry_noted and moment < active.not_after

    def gainless_step(self, policy: EnrollmentPolicy) -> str:
        """What to do about renewals that gain nothing, for a person."""
        if self.switch_at is None:
            return "ask the CA's operator for a new certificate of the CA, or for its successor"
        if self.is_next_ca_accepted(policy):
            return f"none: the next CA takes over by {self.switch_at.isoformat()}"
        return NEXT_CA

    def _leave_at(self, ca: TrustedCa, policy: EnrollmentPolicy) -> datetime:
        """When a renewal has to look for the next CA: the certificate ends with its CA."""
        active, following, latest = self.active, self.next_ca, self.switch_at
        assert active is not None
        assert following is not None
        assert latest is not None
        end = min(active.not_after, ends_at(ca))
        moment = renewal_at(policy.renewal, policy.poll, active.not_before, end, active.jitter)
        return min(latest, max(moment, begins_at(following.ca)))

    def _check_at(self, ca: TrustedCa, policy: EnrollmentPolicy, jitter: float) -> datetime:
        """When to ask for the next CA: a fleet begins spread over one interval."""
        every = timedelta(seconds=policy.rollover.check_every_s)
        # Asked at a moment that was taken back: the clock was ahead then.
        if self.next_ca_asked_at is not None and self.next_ca_asked_at <= self.newest_at:
            return max(fetch_at(ca), self.next_ca_asked_at + every)
        return fetch_at(ca) + jitter * every
