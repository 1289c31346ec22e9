"""Giving a running enrollment up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import DeleteKey, GenerateKey, Record
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.policy import RenewalPolicy
from sceplab_agent.core.states import State
from tests.support.core import REJECTED, UNREACHABLE, Stage, policy


def test_cancelling_a_pending_enrollment() -> None:
    """Back to CA_PINNED: transaction closed by a record, the key that was made for it deleted."""
    stage = Stage().to_pending()
    stage.give(ev.EnrollmentCancelled())
    assert stage.state is State.CA_PINNED
    assert stage.ids() == ["enrollment.cancelled", "key.retired"]
    assert stage.one(DeleteKey).key_id == "key"
    cancelled = next(c for c in stage.commands if isinstance(c, Record))
    assert cancelled.details["transaction_id"] == "T1"
    assert cancelled.snapshot["transaction"] is None
    assert stage.machine.next_deadline() is None


def test_a_key_that_is_not_ours_survives_a_cancel() -> None:
    """The operator's own key is left alone."""
    stage = Stage(policy=policy(owns_key=False)).to_pending()
    stage.give(ev.EnrollmentCancelled())
    assert not any(isinstance(command, DeleteKey) for command in stage.log)


def test_cancelling_a_renewal_keeps_certificate_and_key() -> None:
    """Back to INSTALLED; the shadow key goes, the active one stays, the timer leaves a pause."""
    stage = Stage().to_renewal_sent()
    active = stage.machine.active
    stage.give(ev.EnrollmentCancelled())
    assert stage.state is State.INSTALLED
    assert stage.machine.active == active
    assert stage.one(DeleteKey).key_id == "key.2"
    pause = stage.machine.policy.retry.backoff.ceiling_s
    assert stage.machine.next_deadline() == stage.now + timedelta(seconds=pause)
    stage.wake()
    assert stage.state is State.RENEW_DUE


def test_cancelling_a_renewal_with_the_same_key_deletes_nothing() -> None:
    """The key is the active one."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(new_key=False))).to_renewal_sent()
    stage.give(ev.EnrollmentCancelled())
    assert not any(isinstance(command, DeleteKey) for command in stage.log)


def test_a_doomed_name_is_not_given_to_a_new_key() -> None:
    """Before the deletion is confirmed, the next key gets another name."""
    stage = Stage().to_pending()
    stage.give(ev.EnrollmentCancelled())
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    assert stage.one(GenerateKey).key_id == "key.2"
    stage.give(ev.KeyDeleted(key_id="key"))
    assert stage.state is State.KEYGEN


def test_the_key_of_a_failed_attempt_keeps_its_name() -> None:
    """A name that becomes free in the meantime does not orphan the key that was made."""
    stage = Stage().to_pending()
    stage.give(ev.EnrollmentCancelled())
    stage.to_sent()
    stage.give(REJECTED)
    stage.give(ev.KeyDeleted(key_id="key"))
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    assert stage.one(GenerateKey).key_id == "key.2"


def test_a_free_name_is_used_again() -> None:
    """After the deletion is confirmed, the configured name is free."""
    stage = Stage().to_pending()
    stage.give(ev.EnrollmentCancelled())
    stage.give(ev.KeyDeleted(key_id="key"))
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    assert stage.one(GenerateKey).key_id == "key"


def test_cancelling_before_anything_is_trusted() -> None:
    """From the first GetCACert the way leads back to CONFIGURED."""
    stage = Stage()
    stage.give(ev.TrustpointConfigured())
    stage.give(ev.EnrollRequested())
    stage.give(ev.EnrollmentCancelled())
    assert stage.state is State.CONFIGURED
    assert stage.ids() == ["enrollment.cancelled"]


@pytest.mark.parametrize("trouble", [REJECTED, UNREACHABLE])
def test_a_failed_or_waiting_enrollment_can_be_cleared(trouble: ev.Event) -> None:
    """FAILED and RETRY_WAIT are left by a cancel too; the failure is forgotten."""
    stage = Stage().to_sent()
    stage.give(trouble)
    stage.give(ev.EnrollmentCancelled())
    assert stage.state is State.CA_PINNED
    assert stage.machine.failure is None
    assert stage.machine.new_key is None


def test_what_is_being_installed_is_not_cancelled() -> None:
    """Between certificate and installation there is no way back."""
    stage = Stage().to_sent()
    stage.issued()
    with pytest.raises(IllegalEventError):
        stage.give(ev.EnrollmentCancelled())


def test_nothing_to_cancel() -> None:
    """An installed certificate is no running enrollment."""
    stage = Stage().to_installed()
    with pytest.raises(IllegalEventError):
        stage.give(ev.EnrollmentCancelled())
