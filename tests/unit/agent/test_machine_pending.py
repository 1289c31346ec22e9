"""A request that waits for an approval."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import BuildRequest, Notify, Record, SendRequest
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.policy import Backoff, PollPolicy, RetryPolicy
from sceplab_agent.core.states import State
from sceplab_scep.attributes import MessageType
from tests.support.core import LOST, REJECTED, T0, UNREACHABLE, Stage, policy


def test_pending_is_recorded_with_next_poll_and_limit() -> None:
    """The record says when the next poll is due, how many were used and when it all ends."""
    stage = Stage().to_pending()
    assert stage.state is State.PENDING
    record = stage.one(Record)
    assert record.event_id == "enrollment.pending"
    assert record.details["polls"] == 0
    assert stage.machine.next_deadline() == T0 + timedelta(seconds=60)
    assert record.details["deadline_at"] == (T0 + timedelta(days=7)).isoformat()


@pytest.mark.covers("C-15", "C-16", "C-29")
def test_a_poll_is_a_certpoll_of_the_same_transaction() -> None:
    """Same transactionID, signer and recipient, fresh nonce, no challenge; one in flight."""
    stage = Stage().to_sent()
    first = stage.one(SendRequest)
    stage.give(ev.ReplyPending())
    stage.wake()
    request = stage.one(BuildRequest)
    assert request.message_type is MessageType.CERT_POLL
    assert request.transaction_id == first.transaction_id
    assert request.signer_certificate_der == first.signer_certificate_der
    assert not request.include_challenge
    assert stage.machine.next_deadline() is None
    stage.built()
    assert stage.ids() == ["enrollment.poll"]
    poll = stage.one(SendRequest)
    assert poll.message_type is MessageType.CERT_POLL
    assert poll.transaction_id == first.transaction_id
    assert poll.sender_nonce != first.sender_nonce
    assert stage.give(ev.DeadlineReached()) == []


@pytest.mark.covers("C-15")
def test_thirty_polls_then_the_certificate() -> None:
    """The transactionID stays, the waits grow up to the ceiling."""
    stage = Stage().to_pending()
    waits = []
    for _ in range(30):
        before = stage.now
        stage.wake()
        waits.append((stage.now - before).total_seconds())
        stage.built()
        stage.give(ev.ReplyPending())
    stage.wake()
    stage.built()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.state is State.INSTALLED
    assert {c.transaction_id for c in stage.log if isinstance(c, SendRequest)} == {"T1"}
    assert waits[:3] == [60, 90, 135]
    assert waits == sorted(waits)
    assert waits[-1] == 3600


@pytest.mark.covers("C-30")
def test_the_number_of_polls_is_bounded() -> None:
    """After the last poll the transaction is given up: EXPIRED_TXN, recorded and told."""
    stage = Stage(policy=policy(poll=PollPolicy(max_polls=2))).to_pending()
    for _ in range(2):
        stage.wake()
        stage.built()
        stage.give(ev.ReplyPending())
    assert stage.state is State.EXPIRED_TXN
    assert stage.ids() == ["enrollment.expired"]
    assert stage.ids(Notify) == ["operator.needed"]
    assert stage.machine.failure is not None
    assert stage.machine.failure.cause is ev.FailureCause.EXHAUSTED
    assert stage.machine.transaction is None
    assert stage.machine.next_deadline() is None
    stage.to_sent()
    assert stage.one(SendRequest).transaction_id == "T2"


@pytest.mark.covers("C-30")
def test_the_time_of_a_transaction_is_bounded() -> None:
    """The limit counts from the first PENDING and ends the wait even between polls."""
    slow = PollPolicy(backoff=Backoff(first_s=50, growth=1), max_wait_s=120)
    stage = Stage(policy=policy(poll=slow)).to_pending()
    for _ in range(2):
        stage.wake()
        stage.built()
        stage.give(ev.ReplyPending())
    assert stage.machine.next_deadline() == T0 + timedelta(seconds=120)
    stage.wake()
    assert stage.state is State.EXPIRED_TXN


def test_early_and_late_deadlines_are_harmless() -> None:
    """DeadlineReached before its time does nothing; after its time it polls once."""
    stage = Stage().to_pending()
    assert stage.give(ev.DeadlineReached(), after=timedelta(seconds=59)) == []
    stage.give(ev.DeadlineReached(), after=timedelta(hours=2))
    stage.one(BuildRequest)


def test_a_poll_that_meets_no_server_is_repeated_as_a_new_poll() -> None:
    """Transport failures during polling wait and poll again; polls and time bound them."""
    stage = Stage(policy=policy(retry=RetryPolicy(max_attempts=1))).to_pending()
    stage.wake()
    stage.built()
    stage.give(UNREACHABLE)
    assert stage.state is State.RETRY_WAIT
    stage.wake()
    assert stage.state is State.PENDING
    assert stage.one(BuildRequest).message_type is MessageType.CERT_POLL
    stage.built()
    assert stage.machine.transaction is not None
    assert stage.machine.transaction.polls == 2
    stage.give(ev.ReplyPending())
    assert stage.state is State.PENDING


def test_polls_in_vain_count_too() -> None:
    """A server that never answers a poll ends the transaction after the allowed number."""
    stage = Stage(policy=policy(poll=PollPolicy(max_polls=3))).to_pending()
    for _ in range(3):
        stage.wake()
        stage.built()
        stage.give(UNREACHABLE)
    stage.wake()
    assert stage.state is State.EXPIRED_TXN


def test_a_token_that_is_away_delays_a_poll() -> None:
    """A poll that could not be signed is built again later, and was not counted."""
    stage = Stage().to_pending()
    stage.wake()
    stage.give(ev.RequestFailed(cause=ev.FailureCause.KEY_STORE, reason="locked"))
    assert stage.state is State.RETRY_WAIT
    stage.wake()
    stage.built()
    assert stage.machine.transaction is not None
    assert stage.machine.transaction.polls == 1


def test_a_denied_request_fails() -> None:
    """The CA's operator said no: the same answer to a poll as to a request."""
    stage = Stage().to_pending()
    stage.wake()
    stage.built()
    stage.give(REJECTED)
    assert stage.state is State.FAILED


def test_a_server_that_lost_the_transaction_gets_a_new_request_once() -> None:
    """badCertId to a poll: new request, same key, once (the challenge is spent: ask first)."""
    stage = Stage(policy=policy(uses_challenge=False)).to_pending()
    stage.wake()
    stage.built()
    stage.give(LOST)
    assert stage.state is State.CA_FETCH
    assert stage.ids() == ["recovery.anew"]
    stage.through_request()
    assert stage.one(SendRequest).transaction_id == "T2"
    stage.give(ev.ReplyPending())
    stage.wake()
    stage.built()
    stage.give(LOST)
    assert stage.state is State.FAILED


def test_pending_refuses_a_second_enrollment() -> None:
    """The running transaction has to be cancelled first."""
    stage = Stage().to_pending()
    with pytest.raises(IllegalEventError):
        stage.give(ev.EnrollRequested())


@pytest.mark.parametrize("failed", [False, True], ids=["pending", "unanswered poll"])
def test_a_renewal_whose_time_ran_out_while_the_device_slept_begins_anew(*, failed: bool) -> None:
    """Polling is bounded; the old certificate lives, so another transaction follows."""
    stage = Stage(policy=policy(poll=PollPolicy(max_wait_s=600.0))).to_renewal_sent()
    stage.give(ev.ReplyPending())
    if failed:
        stage.wake()
        stage.built()
        stage.give(UNREACHABLE)
    stage.now += timedelta(hours=1)
    stage.give(ev.DeadlineReached())
    assert stage.state is State.RETRY_WAIT
    assert stage.ids() == ["enrollment.expired"]
    stage.wake()
    assert stage.state is State.RENEW_DUE


def test_a_wish_opens_no_second_transaction() -> None:
    """Whoever asks again while the CA decides gets no other request sent."""
    for stage in (Stage().to_pending(), Stage().to_renewal_sent()):
        if stage.state is not State.PENDING:
            stage.give(ev.ReplyPending())
        for wish in (
            ev.EnrollRequested(),
            ev.EnrollRequested(has_challenge=False),
            ev.RenewRequested(),
        ):
            with pytest.raises(IllegalEventError):
                stage.give(wish)
