"""The machine while a new certificate is handed to its consumers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import (
    DeleteKey,
    FetchCa,
    HandOver,
    InstallCertificate,
    Notify,
    Record,
)
from sceplab_agent.core.errors import SnapshotError
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.policy import RetryPolicy
from sceplab_agent.core.states import State
from tests.support.core import UNREACHABLE, FixedChance, Stage, policy

DAY = timedelta(days=1)
PASSING = ev.HandOffFailed(reason="the daemon is not up", may_pass=True)
LASTING = ev.HandOffFailed(reason="no clientAuth", may_pass=False)
STUCK = ev.HandOffFailed(reason="cannot be brought back", may_pass=False, is_undone=False)
DONE = ev.HandedOver(proof="the tunnel is up")


def first_handed() -> Stage:
    """The first certificate is with its consumers."""
    stage = Stage(policy(hands_over=True))
    stage.to_sent().issued()
    stage.give(ev.CertificateInstalled())
    return stage


def renewal_handed() -> Stage:
    """The second certificate is with its consumers, the first is active."""
    stage = first_handed()
    stage.give(DONE)
    stage.wake()
    stage.through_request().issued()
    assert stage.one(InstallCertificate).is_candidate
    stage.give(ev.CertificateInstalled())
    return stage


def generation(stage: Stage) -> int:
    """Of the active certificate; 0 without one."""
    return stage.machine.active.generation if stage.machine.active else 0


def deleted(stage: Stage) -> list[str]:
    """Every key that was to be deleted."""
    return [command.key_id for command in stage.log if isinstance(command, DeleteKey)]


def test_a_first_certificate_is_active_once_it_is_handed_over() -> None:
    """Before that there is none; the proof is recorded."""
    stage = first_handed()
    assert generation(stage) == 0
    assert stage.ids() == ["handoff.started"]
    assert stage.one(HandOver).generation == 1
    stage.give(DONE)
    assert (stage.state, generation(stage)) == (State.INSTALLED, 1)
    assert stage.one(Record).details["proof"] == "the tunnel is up"
    assert stage.machine.last_handoff is not None
    assert stage.machine.last_handoff.is_done


def test_the_old_key_goes_only_behind_the_record_of_the_hand_off() -> None:
    """While the consumers are asked, the old certificate is active and its key stays."""
    stage = renewal_handed()
    assert generation(stage) == 1
    assert stage.machine.successor is not None
    assert not deleted(stage)
    stage.give(DONE)
    assert generation(stage) == 2
    assert stage.machine.successor is None
    assert stage.ids() == ["handoff.done", "key.retired"]
    assert deleted(stage) == ["key"]


def test_a_passing_failure_is_repeated_with_the_same_certificate() -> None:
    """The pauses grow, nothing is asked of the CA, the old certificate stays."""
    stage = renewal_handed()
    first = stage.one(HandOver)
    waits = []
    for _ in range(12):
        stage.give(PASSING)
        assert (stage.state, generation(stage)) == (State.RETRY_WAIT, 1)
        before = stage.now
        stage.wake()
        waits.append((stage.now - before).total_seconds())
        assert stage.one(HandOver) == first
    assert waits[:3] == [10, 20, 40]
    assert max(waits) == 900
    stage.give(DONE)
    assert (generation(stage), stage.machine.failure) == (2, None)


def test_a_first_certificate_has_a_number_of_attempts() -> None:
    """Then the operator is told; enrolling again hands the same certificate over."""
    stage = Stage(policy(hands_over=True, retry=RetryPolicy(max_attempts=2)))
    stage.to_sent().issued()
    stage.give(ev.CertificateInstalled())
    first = stage.one(HandOver)
    stage.give(PASSING)
    stage.wake()
    stage.give(PASSING)
    assert stage.state is State.FAILED
    assert "enroll" in str(stage.one(Notify).details["next_step"])
    stage.give(ev.EnrollRequested())
    assert stage.one(HandOver) == first


def test_a_lasting_failure_leaves_the_old_certificate_in_use() -> None:
    """The operator is told what to do; half of the time that is left goes by in peace."""
    stage = renewal_handed()
    active = stage.machine.active
    assert active is not None
    left = active.not_after - stage.now
    stage.give(LASTING)
    assert (stage.state, generation(stage)) == (State.FAILED, 1)
    assert stage.ids() == ["handoff.failed"]
    notice = stage.one(Notify)
    assert notice.details["cause"] == "handoff"
    assert notice.details["reason"] == "no clientAuth"
    failed_at = stage.now
    stage.wake()
    assert stage.now - failed_at == left / 2
    assert stage.one(FetchCa)
    stage.through_request()
    assert stage.machine.new_key is not None
    assert stage.machine.new_key.key_id == "key.2", "the key of the refused one is used again"
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.one(HandOver).generation == 3
    stage.give(DONE)
    assert generation(stage) == 3
    assert deleted(stage) == ["key"]


def test_a_clock_that_was_ahead_keeps_the_peace_as_long_as_it_should_be() -> None:
    """Set right, half of the time that is really left goes by: neither years nor moments."""
    stage = renewal_handed()
    active = stage.machine.active
    assert active is not None
    right = stage.now
    stage.now += 4000 * DAY
    stage.give(LASTING)
    stage.now = right
    stage.give(ev.DeadlineReached())
    assert stage.machine.next_deadline() == right + (active.not_after - right) / 2


@pytest.mark.parametrize("failure", [None, PASSING, LASTING])
def test_a_restart_goes_on_from_the_journal(failure: ev.Event | None) -> None:
    """In the middle the hand-off is done again; after a failure the old certificate is active."""
    stage = renewal_handed()
    handed = stage.one(HandOver)
    if failure is not None:
        stage.give(failure)
    stage.restart()
    stage.give(ev.Restarted())
    assert generation(stage) == 1
    if failure is LASTING:
        assert stage.state is State.FAILED
        return
    if failure is PASSING:
        stage.wake()
    assert stage.one(HandOver) == handed
    stage.give(DONE)
    assert generation(stage) == 2


def test_what_ended_before_it_was_taken_is_dropped() -> None:
    """A consumer that is away for longer than the new certificate lives."""
    stage = renewal_handed()
    stage.give(PASSING)
    stage.now += 800 * DAY
    stage.give(ev.DeadlineReached())
    assert stage.state is State.FAILED
    assert stage.ids() == ["handoff.dropped"]
    assert stage.machine.successor is None


def test_an_end_is_reported_while_the_consumers_are_waited_for() -> None:
    """Once, at the moment it comes; the hand-off goes on."""
    stage = renewal_handed()
    active = stage.machine.active
    assert active is not None
    stage.now = active.not_after - timedelta(seconds=5)
    stage.give(PASSING)
    assert stage.machine.next_deadline() == active.not_after
    stage.wake()
    assert stage.ids() == ["certificate.expired"]
    assert "the daemon is not up" in str(stage.one(Record).details["reason"])
    assert stage.state is State.RETRY_WAIT
    stage.wake()
    stage.give(PASSING)
    stage.wake()
    assert stage.one(HandOver)
    stage.give(DONE)
    assert stage.machine.next_deadline() is not None


def test_giving_up_deletes_the_new_key_and_nothing_else() -> None:
    """The old certificate goes on as if nothing had been."""
    stage = renewal_handed()
    stage.give(PASSING)
    stage.give(ev.EnrollmentCancelled())
    assert (stage.state, generation(stage)) == (State.INSTALLED, 1)
    assert deleted(stage) == ["key.2"]


def test_a_key_that_a_consumer_may_be_using_cannot_be_given_up() -> None:
    """As long as a consumer is not back at the old one, cancelling is refused, with the reason."""
    stage = renewal_handed()
    for state in (State.HANDING_OVER, State.FAILED):
        stage.give(ev.EnrollmentCancelled())
        assert stage.state is state
        assert stage.ids(Notify) == ["operator.needed"]
        assert "then cancel" in str(stage.one(Notify).details["next_step"])
        assert stage.machine.successor is not None
        if state is State.HANDING_OVER:
            stage.give(STUCK)
    assert not deleted(stage)


def test_snapshots_from_before_hand_offs_load() -> None:
    """A snapshot without the new fields is read; one with a waiting certificate says version 2."""
    stage = renewal_handed()
    assert stage.machine.snapshot()["version"] == 2
    stage.give(DONE)
    snapshot = stage.machine.snapshot()
    assert snapshot["version"] == 1
    for name in ("successor", "is_handoff_open", "last_handoff"):
        del snapshot[name]
    machine = EnrollmentMachine.restore(
        policy(), snapshot, rng=FixedChance(), new_transaction_id=str
    )
    assert machine.active == stage.machine.active
    with pytest.raises(SnapshotError, match="version 3"):
        EnrollmentMachine.restore(
            policy(), {**snapshot, "version": 3}, rng=FixedChance(), new_transaction_id=str
        )


def test_what_waits_for_its_consumers_is_handed_over_when_a_renewal_is_wanted() -> None:
    """In the pause after a failure, and at the renewal's moment: no other one is asked for."""
    stage = renewal_handed()
    stage.give(PASSING)
    stage.give(ev.RenewRequested())
    assert stage.state is State.HANDING_OVER
    assert stage.one(HandOver).generation == 2


@pytest.mark.parametrize("is_ended", [False, True])
def test_what_was_refused_and_waits_is_handed_over_again(*, is_ended: bool) -> None:
    """At the renewal's moment once another failure came between, and when the old one ended."""
    stage = renewal_handed()
    stage.give(LASTING)
    active = stage.machine.active
    assert active is not None
    if is_ended:
        stage.now = active.not_after
        stage.give(ev.DeadlineReached())
        assert stage.ids() == ["certificate.expired"]
    else:
        stage.give(ev.AuthenticateRequested())
        stage.give(UNREACHABLE)
    stage.wake()
    assert stage.state is State.HANDING_OVER
    assert stage.one(HandOver).generation == 2
