"""A request that the CA refuses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import Notify, Record, SendRequest
from sceplab_agent.core.policy import PollPolicy
from sceplab_agent.core.states import State
from sceplab_scep.attributes import FailInfo
from tests.support.core import (
    LIFETIME,
    PKI,
    REJECTED,
    T0,
    UNREACHABLE,
    Pki,
    Stage,
    device_key,
    policy,
)


@pytest.mark.covers("C-19")
def test_a_refused_first_enrollment_fails_with_all_that_was_said() -> None:
    """failInfo, text and HRESULT are in the view and in the record; the text decides nothing."""
    stage = Stage().to_sent()
    stage.give(REJECTED)
    assert stage.state is State.FAILED
    failure = stage.machine.failure
    assert failure is not None
    assert failure.cause is ev.FailureCause.REJECTED
    assert failure.fail_info is FailInfo.BAD_REQUEST
    assert failure.fail_info_text == "no"
    assert failure.hresult == REJECTED.hresult
    assert failure.transaction_id == "T1"
    record = stage.one(Record)
    assert record.event_id == "enrollment.rejected"
    assert record.details["fail_info"] == "badRequest"
    assert record.details["hresult"] == REJECTED.hresult
    assert stage.machine.next_deadline() is None


def test_bad_alg_is_zero_and_still_a_reason() -> None:
    """failInfo badAlg has the value 0: it must not get lost on the way to the journal and back."""
    stage = Stage().to_sent()
    stage.give(ev.ReplyRejected(fail_info=FailInfo.BAD_ALG, text=""))
    stage.restart()
    assert stage.machine.failure is not None
    assert stage.machine.failure.fail_info is FailInfo.BAD_ALG


def test_the_operator_is_told_the_next_step() -> None:
    """A failure names what to do."""
    stage = Stage().to_sent()
    stage.give(REJECTED)
    notice = stage.one(Notify)
    assert notice.event_id == "operator.needed"
    assert notice.details["state"] == "FAILED"
    assert "challenge" in str(notice.details["next_step"])


def test_the_operator_may_try_again() -> None:
    """A new request after a refusal: new transactionID, and the failure is forgotten."""
    stage = Stage().to_sent()
    stage.give(REJECTED)
    stage.to_sent()
    assert stage.state is State.REQUESTING
    assert stage.one(SendRequest).transaction_id == "T2"
    assert stage.machine.failure is None


def test_a_certificate_of_the_ca_out_of_time_is_about_clocks() -> None:
    """An RA certificate that has ended, or a device that is ahead: look at both clocks."""
    stage = Stage(pki=Pki(ra="old", ra_valid_to=T0)).to_pinned()
    stage.now = T0 + timedelta(days=1)
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    assert stage.state is State.FAILED
    told = str(stage.one(Notify).details["next_step"])
    assert "the clock here" in told
    assert "server's clock" in told
    assert stage.machine.next_step == told


def test_an_issued_certificate_out_of_time_is_about_clocks() -> None:
    """The same where the new certificate is not valid by the device's clock."""
    stage = Stage().to_sent()
    key = stage.machine.new_key
    assert key is not None
    stage.issued(PKI.issue(device_key(key.key_id), at=stage.now + timedelta(days=3)))
    assert stage.state is State.FAILED
    assert "the clock here" in stage.machine.next_step


def test_polls_that_failed_name_what_failed() -> None:
    """Used up while nobody answered: make the server reachable; while the CA waited: ask there."""
    for trouble, step in ((UNREACHABLE, "make the server reachable"), (None, "CA's operator")):
        stage = Stage(policy=policy(poll=PollPolicy(max_polls=1))).to_pending()
        stage.wake()
        stage.built()
        if trouble is not None:
            stage.give(trouble)
            stage.wake()
        else:
            stage.give(ev.ReplyPending())
        assert stage.state is State.EXPIRED_TXN
        assert step in stage.machine.next_step


def test_a_refused_renewal_names_what_a_certificate_in_use_allows() -> None:
    """While it lasts: renew, or enroll beside it; once it has ended: enroll, the same in status."""
    stage = Stage().to_renewal_sent()
    stage.give(REJECTED)
    assert stage.state is State.RETRY_WAIT
    assert stage.machine.next_step == (
        "ask the CA's operator and renew again, or get a new challenge password and enroll --again"
    )
    stage.now += LIFETIME
    stage.give(ev.DeadlineReached())
    assert stage.state is State.FAILED
    assert stage.machine.next_step.endswith("get a new challenge password, enroll again")
