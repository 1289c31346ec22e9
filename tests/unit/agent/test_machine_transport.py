"""Servers that are away, answer rubbish, or come back."""

from __future__ import annotations

from datetime import timedelta

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import FetchCa, Record, SendRequest
from sceplab_agent.core.model import Resume
from sceplab_agent.core.policy import Backoff, RetryPolicy
from sceplab_agent.core.states import State
from tests.support.core import FORGED, OTHER_PKI, T0, UNREACHABLE, Stage, policy

FEW = policy(retry=RetryPolicy(backoff=Backoff(first_s=10, growth=2), max_attempts=3))


def test_a_fetch_for_an_enrollment_is_repeated_with_growing_waits() -> None:
    """Nobody watches an enrollment's GetCACert, so it is tried again, then given up."""
    stage = Stage(policy=FEW)
    stage.give(ev.TrustpointConfigured())
    stage.give(ev.EnrollRequested())
    stage.give(UNREACHABLE)
    assert stage.state is State.RETRY_WAIT
    assert stage.machine.resume is Resume.FETCH
    assert stage.machine.next_deadline() == T0 + timedelta(seconds=10)
    stage.wake()
    stage.one(FetchCa)
    stage.give(UNREACHABLE)
    assert stage.machine.next_deadline() == T0 + timedelta(seconds=30)
    stage.wake()
    stage.give(UNREACHABLE)
    assert stage.state is State.FAILED
    assert stage.machine.failure is not None
    assert stage.machine.failure.cause is ev.FailureCause.TRANSPORT


def test_a_step_that_went_well_starts_the_count_again() -> None:
    """Attempts are counted for each step."""
    stage = Stage(policy=FEW)
    stage.give(ev.TrustpointConfigured())
    stage.give(ev.EnrollRequested())
    for _ in range(2):
        stage.give(UNREACHABLE)
        stage.wake()
    assert stage.machine.attempts == 2
    stage.through_request()
    assert stage.machine.attempts == 0
    stage.give(UNREACHABLE)
    assert stage.state is State.RETRY_WAIT


def test_an_unanswered_request_is_sent_again_byte_for_byte() -> None:
    """One message sent twice: same bytes, same transactionID, same nonce, recorded before."""
    stage = Stage().to_sent()
    first = stage.one(SendRequest)
    stage.give(UNREACHABLE)
    assert stage.machine.resume is Resume.RETRANSMIT
    stage.wake()
    assert stage.state is State.REQUESTING
    assert stage.ids() == ["enrollment.retransmission"]
    assert stage.one(Record).details["attempt"] == 2
    assert stage.one(SendRequest) == first


def test_retransmission_is_bounded_for_a_first_enrollment() -> None:
    """After the last attempt: FAILED, the transaction closed, the key kept for the next try."""
    stage = Stage(policy=FEW).to_sent()
    for _ in range(2):
        stage.give(UNREACHABLE)
        stage.wake()
    stage.give(UNREACHABLE)
    assert stage.state is State.FAILED
    assert stage.machine.transaction is None
    assert stage.machine.new_key is not None


def test_a_failure_that_will_not_pass_is_not_repeated() -> None:
    """A forged reply ends a first enrollment at once."""
    stage = Stage().to_sent()
    stage.give(FORGED)
    assert stage.state is State.FAILED
    assert stage.machine.failure is not None
    assert stage.machine.failure.cause is ev.FailureCause.PEER
    assert stage.machine.failure.reason == "wrong recipientNonce"


def test_an_answer_without_certificates_breaks_no_trust() -> None:
    """An empty GetCACert is a useless answer, not a mismatch."""
    stage = Stage()
    stage.give(ev.TrustpointConfigured())
    stage.give(ev.EnrollRequested())
    stage.give(ev.CaCertificatesReceived(certificates_der=(), capabilities=stage.capabilities))
    assert stage.state is State.FAILED
    assert stage.machine.failure is not None
    assert stage.machine.failure.cause is ev.FailureCause.PEER


def test_another_ca_behind_the_same_port_is_never_retried() -> None:
    """A server that was replaced by another CA's blocks, also in the middle of retries."""
    stage = Stage().to_pinned()
    stage.give(ev.EnrollRequested())
    stage.give(UNREACHABLE)
    stage.wake()
    stage.ca_received(OTHER_PKI)
    assert stage.state is State.BLOCKED
    assert stage.machine.next_deadline() is None


def test_the_operator_need_not_wait_for_a_retry() -> None:
    """Enrolling again during RETRY_WAIT starts now and closes the open transaction."""
    stage = Stage().to_sent()
    stage.give(UNREACHABLE)
    stage.give(ev.EnrollRequested())
    assert stage.state is State.CA_FETCH
    assert stage.one(Record).details["closed_transaction_id"] == "T1"
    stage.through_request()
    assert stage.one(SendRequest).transaction_id == "T2"
