"""When somebody who waits for a certificate is done waiting, and with what."""

from __future__ import annotations

from datetime import datetime

from sceplab_agent.core.events import FailureCause
from sceplab_agent.core.model import Awaited, Goal
from sceplab_agent.core.next_steps import ASKED
from sceplab_agent.core.states import State
from sceplab_agent.errors import (
    CaNotTrustedError,
    EnrollmentFailedError,
    EnrollmentRejectedError,
)
from sceplab_agent.fingerprint import format_pin
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.status import describe_failure
from sceplab_scep.certificates import fingerprint

ENROLLED = {State.INSTALLED, State.ROLLOVER}
"""A certificate is in use."""
RESTING = {State.CONFIGURED, State.CA_PINNED, *ENROLLED}
"""Nothing is under way."""
GIVEN_UP = {State.FAILED, State.EXPIRED_TXN, State.BLOCKED, State.NEEDS_CHALLENGE}
"""Nothing goes on without the operator, but for the renewal of a certificate still in use."""
_PASSING = {
    FailureCause.TRANSPORT,
    FailureCause.PEER,
    FailureCause.KEY_STORE,
    FailureCause.STORAGE,
    FailureCause.HANDOFF,
}


def is_on_the_side(session: EnrollmentSession) -> bool:
    """Whether a certificate is in use and one of the next CA is asked for, which can wait."""
    return session.machine.goal is Goal.ROLLOVER


def is_settled(session: EnrollmentSession) -> bool:
    """Whether waiting is over for somebody who wants a certificate now.

    A renewal is repeated until the old certificate ends; who waits for it is told after the first
    refusal, after the first failure of a key store that waiting does not mend, or after as many
    failures as an enrollment would be allowed. Who waits for an approval of the CA's fingerprint is
    told at once: perhaps nobody else knows that it has to be given.
    """
    machine = session.machine
    if is_on_the_side(session) or machine.awaited is Awaited.OPERATOR:
        return True
    if machine.state is State.RETRY_WAIT:
        failure = machine.failure
        is_passing = failure is None or (failure.cause in _PASSING and not failure.is_lasting)
        if failure is not None and failure.cause is FailureCause.TRUST:
            # A step that is repeated: a reply of a stranger, and the server's may still come.
            is_passing = machine.attempts > 0
        rounds = machine.rounds if machine.goal is Goal.RENEW else 0
        failures = machine.attempts + rounds
        return not is_passing or failures >= session.config.policy.retry.max_attempts
    return machine.state in RESTING | GIVEN_UP


def why_no_renewal(session: EnrollmentSession, now: datetime) -> str:
    """Why a renewal cannot be begun, with the next step; empty: it can."""
    active = session.machine.active
    if active is not None and now < active.not_after:
        return ""
    step = f"there is no valid certificate to renew; run: sceplab-agent enroll {session.name}"
    if active is None:
        return step
    ended = f"the last one ended at {active.not_after.isoformat()}"
    return f"{step} ({ended}; if the clock here is wrong, set it and renew again)"


def raise_for_outcome(session: EnrollmentSession) -> None:
    """Raises unless the session has its certificate, or waits for the CA's approval.

    Raises:
        EnrollmentFailedError: with the machine's own reason; `CaNotTrustedError` and
            `EnrollmentRejectedError` carry more.
    """
    machine = session.machine
    failure = machine.failure
    is_aside = is_on_the_side(session)
    is_enrolled = is_aside or (machine.state in ENROLLED and failure is None)
    if is_enrolled and (fault := session.find_key_fault()):
        raise EnrollmentFailedError(session.name, FailureCause.KEY_STORE, fault)
    if machine.state is State.PENDING or is_enrolled:
        return
    if machine.awaited is Awaited.OPERATOR and machine.candidate is not None:
        asked = fingerprint(machine.candidate.anchor_der, "sha256").hex()
        reason = f"the CA shows sha256 {asked}, which waits for an approval; next step: {ASKED}"
        raise CaNotTrustedError(session.name, reason, expected_hex="")
    if failure is None:
        raise EnrollmentFailedError(session.name, None, f"stopped in {machine.state.value}")
    reason = f"{describe_failure(failure)}; next step: {machine.next_step}"
    if failure.cause is FailureCause.TRUST:
        pin = session.config.policy.pin
        expected = format_pin(pin) if pin is not None else ""
        raise CaNotTrustedError(session.name, reason, expected_hex=expected)
    if failure.cause is FailureCause.REJECTED:
        raise EnrollmentRejectedError(
            session.name,
            reason,
            fail_info=failure.fail_info,
            fail_info_text=failure.fail_info_text,
            transaction_id=failure.transaction_id,
        )
    raise EnrollmentFailedError(session.name, failure.cause, reason)
