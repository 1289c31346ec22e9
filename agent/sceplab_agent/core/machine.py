"""The enrollment machine: facts in, commands out, nothing else.

`EnrollmentMachine` is the only public object of the core. A driver feeds it events, carries its
commands out in order (committing each `Record` before it starts the next command), feeds their
answers back, and wakes it at `next_deadline()`. At most one answer is outstanding at any time;
a driver that is interrupted drops what it had under way and feeds `Restarted`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sceplab_agent.core.actions.failure import peace
from sceplab_agent.core.commands import Command
from sceplab_agent.core.events import DeadlineReached, Event, FailureCause, Restarted
from sceplab_agent.core.gain import describe_gainless
from sceplab_agent.core.model import Awaited, Enrollment, Goal, Resume, Shadow, Transaction
from sceplab_agent.core.next_ca import NextCa
from sceplab_agent.core.next_steps import ASKED, NEXT_CA, next_step_for, next_step_of
from sceplab_agent.core.policy import EnrollmentPolicy
from sceplab_agent.core.schedule import RandomSource, longest_wait_s
from sceplab_agent.core.snapshot import read_snapshot, write_snapshot
from sceplab_agent.core.states import State
from sceplab_agent.core.table import fire
from sceplab_agent.core.turn import Turn
from sceplab_agent.core.values import (
    ActiveCertificate,
    Failure,
    HandOffOutcome,
    NewKey,
    TrustedCa,
)
from sceplab_agent.core.verdicts import NextCaKnown

_RESTING = (State.INSTALLED, State.ROLLOVER, State.FAILED, State.EXPIRED_TXN, State.NEEDS_CHALLENGE)
_FAILING = (State.FAILED, State.EXPIRED_TXN, State.BLOCKED, State.RETRY_WAIT)


class EnrollmentMachine:
    """One trustpoint's enrollment, from its configuration through every renewal.

    Args:
        policy: what the operator decided in advance.
        rng: source of jitter, drawn from only where a policy asks for jitter and once for each
            certificate.
        new_transaction_id: gives a fresh transactionID, PrintableString text of at most 255
            characters, unique for this server (checklist 9).

    Spec: RFC 8894 §2.5.1; checklist 8.
    """

    __slots__ = ("_model", "_new_transaction_id", "_policy", "_rng")

    def __init__(
        self,
        policy: EnrollmentPolicy,
        *,
        rng: RandomSource,
        new_transaction_id: Callable[[], str],
    ) -> None:
        self._policy = policy
        self._rng = rng
        self._new_transaction_id = new_transaction_id
        self._model = Enrollment()

    @classmethod
    def restore(
        cls,
        policy: EnrollmentPolicy,
        snapshot: Mapping[str, Any],
        *,
        rng: RandomSource,
        new_transaction_id: Callable[[], str],
    ) -> EnrollmentMachine:
        """The machine as it was when the snapshot was taken.

        Whatever was outstanding then still is: after a restart of the process feed `Restarted`.

        Raises:
            SnapshotError: the snapshot is damaged or of another version.
        """
        machine = cls(policy, rng=rng, new_transaction_id=new_transaction_id)
        machine._model = read_snapshot(snapshot)
        machine._model.schedule(policy)
        return machine

    def handle(self, event: Event, now: datetime) -> list[Command]:
        """Takes one event in and says what to do.

        Args:
            event: what happened.
            now: current time, timezone-aware UTC. A time before the newest recorded one means that
                the clock is not set: nothing ends by time then, but polls go on.

        Raises:
            IllegalEventError: the event cannot happen now; the machine is unchanged.
        """
        model = self._model
        is_clock_set = now >= model.newest_at
        if not is_clock_set and isinstance(event, (DeadlineReached, Restarted)):
            self._bring_closer(now)
            if model.active is not None and now < model.active.not_after:
                # Perhaps the clock that said so was ahead. A renewal tells; else it is said again.
                model.is_expiry_noted = False
        turn = Turn(
            model=model,
            policy=self._policy,
            event=event,
            now=now,
            rng=self._rng,
            new_transaction_id=self._new_transaction_id,
            is_clock_set=is_clock_set,
        )
        fire(turn)
        while turn.verdicts:
            turn.event = turn.verdicts.pop(0)
            fire(turn)
        if model.state is State.INSTALLED and model.next_ca is not None:
            turn.event = NextCaKnown()
            fire(turn)
        model.is_clock_set = turn.is_clock_set
        return turn.commands

    def next_deadline(self) -> datetime | None:
        """The moment to feed `DeadlineReached` at, UTC; ``None``: there is none.

        It may lie in the past: then it is due now.
        """
        model = self._model
        if model.state is State.PENDING and model.awaited is not Awaited.NOTHING:
            return None
        if model.state in (State.PENDING, State.RETRY_WAIT):
            ends = model.resume is not None and model.resume.needs_certificate
            is_bounded = (ends and model.goal is Goal.RENEW) or not model.is_expiry_noted
            moment = _earlier(model.wake_at, model.interrupted_at)
            return self._by_the_end(moment) if is_bounded else moment
        if model.state not in _RESTING or model.active is None:
            return None
        if model.is_expiry_noted:
            is_asked_for = model.state is State.NEEDS_CHALLENGE
            again_at = None if is_asked_for else model.reenrollment_at(self._policy)
            return _earlier(again_at, model.switch_due_at)
        return self._by_the_end(min(self._resting_moments(), default=None))

    def set_policy(self, policy: EnrollmentPolicy) -> None:
        """Replaces the policy; holds from the next step on. Feed `TrustpointConfigured` then."""
        self._policy = policy
        self._model.schedule(policy)

    def snapshot(self) -> dict[str, Any]:
        """Everything `restore` needs, JSON-ready. Shares parts with earlier ones: do not change."""
        return write_snapshot(self._model)

    @property
    def policy(self) -> EnrollmentPolicy:
        """The policy in force."""
        return self._policy

    @property
    def state(self) -> State:
        """Where the enrollment stands."""
        return self._model.state

    @property
    def goal(self) -> Goal:
        """What is being worked for."""
        return self._model.goal

    @property
    def awaited(self) -> Awaited:
        """The answer that is outstanding."""
        return self._model.awaited

    @property
    def ca(self) -> TrustedCa | None:
        """The CA that is trusted."""
        return self._model.ca

    @property
    def candidate(self) -> TrustedCa | None:
        """The CA that the operator is looking at."""
        model = self._model
        if model.candidate is None and model.next_ca and model.is_next_ca_asked(self._policy):
            return model.next_ca.ca
        return model.candidate

    @property
    def next_ca(self) -> NextCa | None:
        """The successor of the CA."""
        return self._model.next_ca

    @property
    def switch_at(self) -> datetime | None:
        """When the next CA takes over at the latest."""
        return self._model.switch_at

    @property
    def shadow(self) -> Shadow | None:
        """The certificate of the next CA that is kept until the switch."""
        return self._model.shadow

    @property
    def shadow_at(self) -> datetime | None:
        """When to ask for such a certificate."""
        return self._model.shadow_at

    @property
    def active(self) -> ActiveCertificate | None:
        """The certificate in use, expired or not."""
        return self._model.active

    @property
    def successor(self) -> ActiveCertificate | None:
        """A certificate that waits for its consumers to take it."""
        return self._model.successor

    @property
    def last_handoff(self) -> HandOffOutcome | None:
        """How the last hand-off ended."""
        return self._model.last_handoff

    @property
    def new_key(self) -> NewKey | None:
        """The key of the certificate that is being enrolled for."""
        return self._model.new_key

    @property
    def retired_keys(self) -> tuple[str, ...]:
        """Keys of ours that are still to be deleted."""
        return self._model.retired_keys

    @property
    def transaction(self) -> Transaction | None:
        """The open transaction. To be read only."""
        return self._model.transaction

    @property
    def failure(self) -> Failure | None:
        """Why the last attempt failed; gone once an enrollment starts or goes well."""
        return self._model.failure

    @property
    def next_step(self) -> str:
        """What the operator has to do, for a person; empty: nothing.

        What will be repeated by itself has a next step, too, as its cause may have to be mended.
        """
        model = self._model
        if model.state is State.NEEDS_CHALLENGE:
            return next_step_for(FailureCause.REJECTED)
        if model.state in _FAILING and model.failure and model.goal is not Goal.ROLLOVER:
            is_renewal = model.can_renew_at(model.failure.at)
            return next_step_of(model.failure, is_renewal=is_renewal)
        if model.awaited is Awaited.OPERATOR:
            return ASKED
        is_delayed = model.next_ca is not None and model.next_ca.is_delay_noted
        return NEXT_CA if is_delayed and model.is_next_ca_asked(self._policy) else ""

    @property
    def rounds(self) -> int:
        """Transactions in a row that ended without a certificate."""
        return self._model.rounds

    @property
    def resume(self) -> Resume | None:
        """The step that will be repeated, in RETRY_WAIT."""
        return self._model.resume

    @property
    def attempts(self) -> int:
        """Failures in a row of the present step."""
        return self._model.attempts

    @property
    def renewal_at(self) -> datetime | None:
        """When the active certificate is to be renewed, whether or not that is enabled."""
        return self._model.renewal_at

    @property
    def is_expiry_noted(self) -> bool:
        """Whether it was reported that the active certificate has ended."""
        return self._model.is_expiry_noted

    @property
    def enrolls_after_expiry(self) -> bool:
        """Whether an expired certificate is enrolled for without the operator."""
        return self._policy.renewal.enrolls_after_expiry

    @property
    def renewal_note(self) -> str:
        """What is odd about the renewals of the active certificate, and the next step; or empty."""
        active = self._model.active
        if self._model.is_expiry_noted:
            if self._model.state is not State.NEEDS_CHALLENGE and self.enrolls_after_expiry:
                return "the certificate has ended; another one is enrolled for by itself"
            return "the certificate has ended; nothing goes on by itself: run sceplab-agent enroll"
        if active is None or not active.gainless:
            return ""
        return f"{describe_gainless(active)}; {self._model.gainless_step(self._policy)}"

    def _resting_moments(self) -> list[datetime]:
        """When something begins by itself while a certificate is in use."""
        model, moments = self._model, []
        is_rolling = model.state is State.ROLLOVER
        if model.switch_due_at is not None:
            moments.append(model.switch_due_at)
        if self._policy.renewal.enabled:
            begins = [moment for moment in (model.renewal_at, model.wake_at) if moment is not None]
            moments.append(max(begins))
        is_asking = model.awaited is Awaited.NEXT_CA
        if not is_asking:
            if model.next_ca_check_at is not None:
                moments.append(model.next_ca_check_at)
            if is_rolling and model.shadow_at is not None and model.successor is None:
                moments.append(max(model.shadow_at, model.wake_at or model.shadow_at))
        if is_rolling and model.is_delay_news(self._policy) and model.switch_at:
            moments.append(model.switch_at)
        return moments

    def _by_the_end(self, moment: datetime | None) -> datetime | None:
        """The moment, or the end of the active certificate if that comes first."""
        active = self._model.active
        if active is None or not self._model.is_clock_set:
            return moment
        return active.not_after if moment is None else min(moment, active.not_after)

    def _bring_closer(self, now: datetime) -> None:
        """Keeps a clock that was set back from putting a poll, a retry, a pause years away."""
        model = self._model
        if model.active is not None and (model.gap_from or model.active.installed_at) > now:
            model.gap_from = now
            model.schedule(self._policy)
        if model.next_ca is not None:
            longest_s = self._policy.rollover.check_every_s
            longest_s *= 1 + self._policy.retry.backoff.jitter_share
            closer = model.next_ca.brought_closer(now, timedelta(seconds=longest_s))
            if closer != model.next_ca:
                model.next_ca = closer
                model.schedule(self._policy)
        is_polling = model.state is State.PENDING
        backoff = self._policy.poll.backoff if is_polling else self._policy.retry.backoff
        wait = timedelta(seconds=longest_wait_s(backoff))
        latest = now + max(wait, peace(model.failure, model.active, now))
        if model.wake_at is not None and model.wake_at > latest:
            model.wake_at = latest


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two moments, where there are any."""
    return min((moment for moment in (one, other) if moment is not None), default=None)
