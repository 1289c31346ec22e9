"""A request that was never answered: the ladder of RFC 8894 §5.2."""

from __future__ import annotations

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import BuildRequest, GenerateKey, Notify, Record, SendRequest
from sceplab_agent.core.model import Resume
from sceplab_agent.core.policy import Recovery
from sceplab_agent.core.states import State
from sceplab_scep.attributes import MessageType
from tests.support.core import LOST, REJECTED, UNREACHABLE, Stage, policy

NO_CHALLENGE = policy(uses_challenge=False)


def retransmitted(stage: Stage) -> Stage:
    """A request that was sent twice, the second copy being out."""
    stage.to_sent().give(UNREACHABLE)
    stage.wake()
    return stage


def test_a_refusal_after_silence_is_followed_by_one_certpoll() -> None:
    """The first copy may have been accepted and the second refused as a duplicate: ask."""
    stage = retransmitted(Stage())
    stage.give(REJECTED)
    assert stage.state is State.REQUESTING
    assert stage.ids() == ["recovery.asking"]
    request = stage.one(BuildRequest)
    assert request.message_type is MessageType.CERT_POLL
    assert request.transaction_id == "T1"
    stage.built()
    assert stage.one(SendRequest).message_type is MessageType.CERT_POLL


def test_the_poll_may_bring_the_lost_certificate() -> None:
    """Case 4: the CA remembers, the certificate is installed, nobody was asked."""
    stage = retransmitted(Stage())
    stage.give(REJECTED)
    stage.built()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.state is State.INSTALLED
    assert stage.machine.failure is None


def test_the_poll_may_find_the_request_pending() -> None:
    """Then it is polled like any other."""
    stage = retransmitted(Stage())
    stage.give(REJECTED)
    stage.built()
    stage.give(ev.ReplyPending())
    assert stage.state is State.PENDING
    stage.wake()
    assert stage.one(BuildRequest).message_type is MessageType.CERT_POLL


@pytest.mark.covers("C-32")
def test_a_refused_poll_leads_to_a_new_request_with_the_same_key() -> None:
    """Old transaction closed by a record before the new one opens; same key, new transactionID."""
    stage = retransmitted(Stage(policy=NO_CHALLENGE))
    stage.give(REJECTED)
    stage.built()
    stage.give(LOST)
    assert stage.state is State.CA_FETCH
    record = stage.one(Record)
    assert record.event_id == "recovery.anew"
    assert record.details["closed_transaction_id"] == "T1"
    assert record.snapshot["transaction"] is None
    stage.through_request()
    sent = [command for command in stage.log if isinstance(command, SendRequest)]
    assert sent[-1].transaction_id == "T2"
    assert sent[-1].message_type is MessageType.PKCS_REQ
    assert {c.key_id for c in stage.log if isinstance(c, GenerateKey)} == {"key"}


def test_the_new_request_waits_for_a_new_challenge() -> None:
    """The old challenge was in the lost request: the operator supplies another."""
    stage = retransmitted(Stage())
    stage.give(REJECTED)
    stage.built()
    stage.give(LOST)
    assert stage.state is State.NEEDS_CHALLENGE
    assert stage.one(Record).details["closed_transaction_id"] == "T1"
    assert "badRequest" in str(stage.one(Notify).details["reason"])
    assert stage.machine.next_deadline() is None
    stage.give(ev.ChallengeProvided())
    stage.through_request()
    assert stage.one(SendRequest).transaction_id == "T2"


def test_the_ladder_is_climbed_once() -> None:
    """A second lost transaction ends in FAILED instead of a third request."""
    stage = retransmitted(Stage(policy=NO_CHALLENGE))
    stage.give(REJECTED)
    stage.built()
    stage.give(LOST)
    stage.through_request()
    stage.give(UNREACHABLE)
    stage.wake()
    stage.give(REJECTED)
    stage.built()
    stage.give(LOST)
    assert stage.state is State.FAILED


def test_an_unanswered_recovery_poll_is_asked_again() -> None:
    """Silence to the CertPoll: the CertPoll again, not the request."""
    stage = retransmitted(Stage())
    stage.give(REJECTED)
    stage.built()
    stage.give(UNREACHABLE)
    assert stage.machine.resume is Resume.ASK
    stage.wake()
    assert stage.one(BuildRequest).message_type is MessageType.CERT_POLL


def test_a_recovery_poll_that_cannot_be_signed_waits() -> None:
    """The token comes back, the CertPoll is built."""
    stage = retransmitted(Stage())
    stage.give(REJECTED)
    stage.give(ev.RequestFailed(cause=ev.FailureCause.KEY_STORE, reason="away"))
    assert stage.machine.resume is Resume.ASK
    stage.wake()
    assert stage.one(BuildRequest).message_type is MessageType.CERT_POLL


def test_recovery_poll_asks_first() -> None:
    """``recovery = poll``: no retransmission, a CertPoll finds out."""
    stage = Stage(policy=policy(recovery=Recovery.POLL)).to_sent()
    stage.give(UNREACHABLE)
    assert stage.machine.resume is Resume.ASK
    stage.wake()
    assert stage.ids() == ["recovery.asking"]
    assert stage.one(BuildRequest).transaction_id == "T1"


@pytest.mark.covers("C-32")
def test_recovery_new_starts_anew_once() -> None:
    """``recovery = new``: case 1 of the RFC, a new PKCSReq; the second time a retransmission."""
    stage = Stage(policy=policy(recovery=Recovery.NEW, uses_challenge=False)).to_sent()
    stage.give(UNREACHABLE)
    assert stage.machine.resume is Resume.ANEW
    stage.wake()
    assert stage.state is State.CA_FETCH
    stage.through_request()
    assert stage.one(SendRequest).transaction_id == "T2"
    stage.give(UNREACHABLE)
    assert stage.machine.resume is Resume.RETRANSMIT


def test_recovery_new_with_a_challenge_asks_for_another() -> None:
    """The challenge of the lost request counts as spent."""
    stage = Stage(policy=policy(recovery=Recovery.NEW)).to_sent()
    stage.give(UNREACHABLE)
    stage.wake()
    assert stage.state is State.NEEDS_CHALLENGE


def test_a_renewal_recovers_without_the_operator() -> None:
    """The same ladder in a renewal: RENEW_DUE instead of CA_FETCH, no challenge asked for."""
    stage = Stage().to_renewal_sent()
    stage.give(UNREACHABLE)
    stage.wake()
    stage.give(REJECTED)
    stage.built()
    stage.give(LOST)
    assert stage.state is State.RENEW_DUE
    stage.through_request()
    assert stage.one(SendRequest).message_type is MessageType.RENEWAL_REQ


def test_a_renewal_recovers_anew() -> None:
    """``recovery = new`` in a renewal."""
    stage = Stage(policy=policy(recovery=Recovery.NEW)).to_renewal_sent()
    stage.give(UNREACHABLE)
    stage.wake()
    assert stage.state is State.RENEW_DUE


def test_an_unattended_challenge_does_not_stop_renewals() -> None:
    """While the operator is waited for, the certificate in use is still renewed in time."""
    stage = Stage().to_installed()
    stage.give(ev.EnrollRequested(has_challenge=False))
    assert stage.state is State.NEEDS_CHALLENGE
    stage.wake()
    assert stage.state is State.RENEW_DUE
