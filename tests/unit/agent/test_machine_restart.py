"""Snapshots, and a process that starts again from one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import (
    AskOperator,
    BuildRequest,
    DeleteKey,
    FetchCa,
    GenerateKey,
    InstallCertificate,
    Record,
    SendRequest,
)
from sceplab_agent.core.errors import SnapshotError
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.model import Awaited, Enrollment, Goal, Resume, Shadow, Transaction
from sceplab_agent.core.next_ca import Consent, NextCa
from sceplab_agent.core.policy import (
    Recovery,
    RenewalPolicy,
    RolloverMode,
    RolloverPolicy,
    UnpinnedCa,
)
from sceplab_agent.core.snapshot import read_snapshot, write_snapshot
from sceplab_agent.core.states import State
from sceplab_agent.core.values import Failure, HandOffOutcome, Succession, TrustBasis
from tests.support.core import (
    LIFETIME,
    PKI,
    REJECTED,
    T0,
    UNREACHABLE,
    FixedChance,
    Stage,
    device_key,
    policy,
)


def restarted(stage: Stage) -> Stage:
    """The stage with a machine made of the last record, told so."""
    stage.restart()
    stage.give(ev.Restarted())
    return stage


def restore(snapshot: dict[str, Any]) -> EnrollmentMachine:
    """A machine made of a snapshot."""
    return EnrollmentMachine.restore(
        policy(), snapshot, rng=FixedChance(), new_transaction_id=lambda: "T"
    )


def test_a_snapshot_survives_json() -> None:
    """What `snapshot` gives can be written as JSON and read back without loss."""
    for stage in (Stage(), Stage().to_pending(), Stage().to_renewal_sent()):
        snapshot = stage.machine.snapshot()
        again = restore(json.loads(json.dumps(snapshot)))
        assert again.snapshot() == snapshot
        assert again.state is stage.state
        assert again.active == stage.machine.active
        assert again.ca == stage.machine.ca
        assert again.transaction == stage.machine.transaction
        assert again.next_deadline() == stage.machine.next_deadline()


def test_a_failure_survives_with_all_its_fields() -> None:
    """failInfo, text and HRESULT come back as they were."""
    stage = Stage().to_sent()
    stage.give(REJECTED)
    assert restore(stage.machine.snapshot()).failure == stage.machine.failure


DERIVED = {"renewal_at", "next_ca_check_at", "switch_at", "shadow_at", "take_over_at"}
"""Fields that a snapshot leaves out."""


def test_no_field_is_forgotten() -> None:
    """Every field of the model comes back, tried with values that are not the default."""
    pending = read_snapshot(Stage().to_pending().machine.snapshot())
    renewing = read_snapshot(Stage().to_renewal_sent().machine.snapshot())
    assert pending.ca is not None
    assert renewing.transaction is not None
    assert renewing.new_key is not None
    heir = replace(
        pending.ca,
        basis=TrustBasis.SUCCESSION,
        succession=Succession(pin=PKI.pin(), anchor_der=b"anchor"),
    )
    model = Enrollment(
        state=State.RETRY_WAIT,
        goal=Goal.RENEW,
        awaited=Awaited.REPLY,
        resume=Resume.ASK,
        ca=pending.ca,
        candidate=pending.ca,
        next_ca=NextCa(
            ca=heir,
            learned_at=T0,
            consent=Consent.ACCEPTED,
            is_delay_noted=True,
            shadow_attempts=2,
            shadow_pause_to=T0,
            shadow_failure="refused",
        ),
        shadow=Shadow(
            key=replace(renewing.new_key, key_id="shadow"),
            transaction=renewing.transaction,
            not_before=T0,
            not_after=T0,
        ),
        next_ca_asked_at=T0,
        active=renewing.active,
        successor=renewing.active,
        is_handoff_open=True,
        last_handoff=HandOffOutcome(generation=1, is_done=True, text="tunnel up", at=T0),
        new_key=renewing.new_key,
        transaction=replace(
            renewing.transaction,
            unanswered=1,
            is_asking=True,
            polls=2,
            deadline_at=T0,
            include_challenge=True,
            reply_der=b"reply",
            reply_certificates_der=(b"a", b"b"),
            issued_der=b"a",
            issued_chain_der=(b"b",),
        ),
        retired_keys=("old",),
        failure=Failure(cause=ev.FailureCause.PEER, reason="forged", at=T0, hresult=-1),
        wake_at=T0,
        attempts=3,
        rounds=4,
        has_challenge=True,
        is_recovered=True,
        is_expiry_noted=True,
        gap_from=T0,
        newest_at=T0,
        is_clock_set=False,
    )
    nothing = Enrollment()
    for field in fields(model):
        is_default = getattr(model, field.name) == getattr(nothing, field.name)
        assert is_default is (field.name in DERIVED), field.name
    for field in fields(Transaction):
        assert getattr(model.transaction, field.name) not in (None, (), b"", 0), field.name
    assert read_snapshot(json.loads(json.dumps(write_snapshot(model)))) == model


def test_later_events_do_not_change_a_snapshot() -> None:
    """A record still shows its moment when the machine has moved on."""
    stage = Stage().to_pending()
    snapshot = stage.machine.snapshot()
    text = json.dumps(snapshot)
    stage.wake()
    stage.built()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert json.dumps(snapshot) == text


def _without_transaction(snapshot: dict[str, Any]) -> None:
    snapshot["transaction"] = None


def _other_message(snapshot: dict[str, Any]) -> None:
    snapshot["transaction"]["sent"] |= {"message": "AAAA"}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: s.pop("state"), "damaged"),
        (lambda s: s.update(version=2), "version 2"),
        (lambda s: s.pop("version"), "version None"),
        (lambda s: s.update(state="NOWHERE"), "NOWHERE"),
        (lambda s: s.update(newest_at="yesterday"), "damaged"),
        (lambda s: s.update(ca=7), "damaged"),
        (lambda s: s["ca"].update(anchor="not base64!"), "damaged"),
        (_without_transaction, "PENDING without transaction"),
        (_other_message, "digest"),
        (lambda s: s.update(state="INSTALLED"), "without active"),
        (lambda s: s.update(state="RETRY_WAIT"), "without resume"),
        (lambda s: s.update(wake_at=None), "without wake_at"),
    ],
)
def test_a_damaged_snapshot_is_refused(
    damage: Callable[[dict[str, Any]], object], words: str
) -> None:
    """Nothing is repaired and nothing reset: a typed error says what is wrong."""
    snapshot = json.loads(json.dumps(Stage().to_pending().machine.snapshot()))
    damage(snapshot)
    with pytest.raises(SnapshotError, match=words):
        restore(snapshot)


def test_cut_while_fetching_the_ca() -> None:
    """The wish was recorded: the CA is fetched again."""
    stage = Stage().to_pinned()
    stage.give(ev.EnrollRequested())
    restarted(stage).one(FetchCa)
    assert stage.state is State.CA_FETCH


def test_cut_right_after_the_pinning() -> None:
    """The CA was recorded as pinned in the middle of an enrollment: it goes on."""
    stage = Stage()
    stage.give(ev.TrustpointConfigured())
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    pinned = next(i for i, c in enumerate(stage.log) if getattr(c, "event_id", "") == "ca.pinned")
    del stage.log[pinned + 1 :]
    restarted(stage)
    assert stage.state is State.KEYGEN


def test_cut_while_the_operator_looks() -> None:
    """A snapshot taken then shows the same certificate again."""
    stage = Stage(policy=policy(pin=None, unpinned_ca=UnpinnedCa.ASK)).to_pinned()
    shown = stage.one(AskOperator)
    again = EnrollmentMachine.restore(
        stage.policy, stage.machine.snapshot(), rng=FixedChance(), new_transaction_id=lambda: "T"
    )
    assert again.handle(ev.Restarted(), stage.now) == [shown]


def test_cut_around_the_key() -> None:
    """Before or after the key exists: the same name is asked for again, never a second one."""
    stage = Stage().to_pinned()
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    assert restarted(stage).one(GenerateKey).key_id == "key"
    stage.key_ready()
    assert restarted(stage).one(GenerateKey).key_id == "key"


@pytest.mark.covers("C-45")
def test_cut_around_the_request() -> None:
    """The message may have left: it is sent again byte for byte, not built anew."""
    stage = Stage().to_sent()
    first = stage.one(SendRequest)
    restarted(stage)
    assert stage.state is State.RETRY_WAIT
    assert stage.machine.resume is Resume.RETRANSMIT
    assert stage.machine.next_deadline() == stage.now
    stage.wake()
    assert stage.one(SendRequest) == first


def test_cut_around_the_request_with_another_recovery() -> None:
    """The policy chooses the first rung after a restart too."""
    for recovery, resume in ((Recovery.POLL, Resume.ASK), (Recovery.NEW, Resume.ANEW)):
        stage = Stage(policy=policy(recovery=recovery)).to_sent()
        assert restarted(stage).machine.resume is resume


def test_cut_while_a_request_is_built() -> None:
    """The snapshot then says that nothing was sent: built again under the same transactionID."""
    stage = Stage().to_pinned()
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    stage.key_ready()
    again = EnrollmentMachine.restore(
        stage.policy, stage.machine.snapshot(), rng=FixedChance(), new_transaction_id=lambda: "T9"
    )
    assert again.handle(ev.Restarted(), stage.now) == [stage.one(BuildRequest)]


def test_cut_while_pending() -> None:
    """The timer goes on from absolute times."""
    stage = Stage().to_pending()
    due = stage.machine.next_deadline()
    stage.now += timedelta(seconds=10)
    assert restarted(stage).commands == []
    assert stage.machine.next_deadline() == due


def test_cut_around_a_poll() -> None:
    """A poll whose answer was lost is asked anew, at once, with a fresh nonce."""
    stage = Stage().to_pending()
    stage.wake()
    stage.built()
    lost = stage.one(SendRequest)
    restarted(stage)
    assert stage.state is State.PENDING
    assert stage.machine.next_deadline() == stage.now
    stage.wake()
    stage.built()
    assert stage.one(SendRequest).sender_nonce != lost.sender_nonce


def test_cut_while_a_recovery_poll_is_out_or_being_built() -> None:
    """The question about the lost request is asked again."""
    stage = Stage(policy=policy(recovery=Recovery.POLL)).to_sent()
    stage.give(UNREACHABLE)
    stage.wake()
    restarted(stage).one(BuildRequest)
    assert stage.ids() == ["recovery.asking"]
    stage.built()
    assert restarted(stage).machine.resume is Resume.ASK


def test_cut_before_the_judgement() -> None:
    """The raw reply was recorded: it is judged from the snapshot, nothing is asked for again."""
    stage = Stage().to_sent()
    stage.issued()
    first = stage.one(InstallCertificate)
    issued = next(
        i for i, c in enumerate(stage.log) if getattr(c, "event_id", "") == "enrollment.issued"
    )
    del stage.log[issued + 1 :]
    assert restarted(stage).one(InstallCertificate) == first


def test_cut_around_the_installation() -> None:
    """Installing twice is harmless: the same certificate, the same generation."""
    stage = Stage().to_sent()
    stage.issued()
    first = stage.one(InstallCertificate)
    assert restarted(stage).one(InstallCertificate) == first
    stage.give(ev.CertificateInstalled())
    assert stage.state is State.INSTALLED


@pytest.mark.parametrize("is_restart", [True, False], ids=["cut", "full disk"])
def test_an_installation_that_was_begun_is_brought_to_its_end(is_restart: bool) -> None:
    """The certificate may be in its place: it is put there again, whatever the clock says now."""
    stage = Stage().to_renewal_sent()
    stage.issued()
    begun = stage.one(InstallCertificate)
    if is_restart:
        stage.restart()
        stage.now += 3 * LIFETIME
        stage.give(ev.Restarted())
    else:
        stage.give(ev.InstallFailed(reason="no space"))
        stage.now += 3 * LIFETIME
        stage.give(ev.DeadlineReached())
    assert stage.state is State.ISSUED_UNVERIFIED
    assert stage.one(InstallCertificate) == begun
    stage.give(ev.CertificateInstalled())
    assert stage.machine.active is not None
    assert stage.machine.active.certificate_der == begun.certificate_der


def test_cut_around_the_deletion_of_the_old_key() -> None:
    """A retired key that may still be there is deleted again."""
    stage = Stage().to_renewal_sent()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert restarted(stage).one(DeleteKey).key_id == "key"
    stage.give(ev.KeyDeleted(key_id="key"))
    assert restarted(stage).commands == []


@pytest.mark.parametrize("kind", ["installed", "failed", "pinned"])
def test_nothing_to_resume(kind: str) -> None:
    """At rest a restart changes nothing but the clock."""
    stage = Stage().to_pinned()
    if kind != "pinned":
        stage.to_sent()
        stage.give(REJECTED) if kind == "failed" else stage.issued()
    if kind == "installed":
        stage.give(ev.CertificateInstalled())
    state = stage.state
    assert restarted(stage).commands == []
    assert stage.state is state


def test_a_clock_that_lost_its_battery_polls_all_the_same() -> None:
    """A clock before the newest record is not set: the poll comes within one longest wait."""
    stage = Stage().to_pending()
    stage.now = T0.replace(year=1970)
    restarted(stage)
    deadline = stage.machine.next_deadline()
    assert deadline is not None
    assert deadline <= stage.now + timedelta(hours=1)
    stage.wake()
    stage.one(BuildRequest)
    stage.built()
    stage.give(ev.ReplyPending())
    assert stage.state is State.PENDING


def test_an_unset_clock_does_not_end_a_transaction_by_time() -> None:
    """Only the number of polls counts then."""
    stage = Stage().to_pending()
    stage.now = T0 + timedelta(days=300)
    stage.give(ev.TrustpointConfigured())
    stage.now = T0 + timedelta(days=10)
    stage.give(ev.DeadlineReached())
    assert stage.state is State.PENDING
    stage.one(BuildRequest)


def test_an_unset_clock_ends_no_certificate() -> None:
    """A clock that was set back does not report an expiry; set right again, it does."""
    quiet = policy(
        renewal=RenewalPolicy(enabled=False), rollover=RolloverPolicy(mode=RolloverMode.OFF)
    )
    stage = Stage(policy=quiet).to_installed()
    stage.now = T0 + 3 * LIFETIME
    stage.give(ev.TrustpointConfigured())
    stage.now = T0 + 2 * LIFETIME
    stage.give(ev.DeadlineReached())
    assert stage.state is State.INSTALLED
    assert stage.machine.next_deadline() is None
    stage.now = T0 + 4 * LIFETIME
    stage.give(ev.DeadlineReached())
    assert stage.state is State.FAILED


def test_an_unset_clock_installs_what_it_gets() -> None:
    """A certificate that starts after such a clock is judged at its start."""
    stage = Stage().to_sent()
    real_now = stage.now + timedelta(days=30)
    stage.now = T0.replace(year=1970)
    key = stage.machine.new_key
    assert key is not None
    stage.give(ev.DeadlineReached())
    certificate = stage.pki.issue(device_key(key.key_id), at=real_now)
    stage.issued(certificate)
    assert stage.state is State.ISSUED_UNVERIFIED
    assert stage.one(InstallCertificate).certificate_der == certificate


def test_an_unset_clock_installs_nothing_that_has_surely_ended() -> None:
    """The newest recorded moment is known to have been: what ended before it is of no use."""
    stage = Stage().to_sent()
    stage.now = T0.replace(year=1970)
    stage.issued(stage.pki.issue(device_key("key"), at=T0 - 2 * LIFETIME))
    assert stage.state is State.FAILED


def test_a_fresh_certificate_proves_that_the_clock_was_ahead() -> None:
    """It fits the present clock: installed, and from then on that clock is believed again."""
    stage = Stage().to_renewal_sent()
    right = stage.now
    stage.now += 5 * LIFETIME
    stage.give(ev.TrustpointConfigured())
    stage.now = right
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.state is State.INSTALLED
    assert stage.machine.snapshot()["newest_at"] == right.isoformat()
    stage.now = right + 2 * LIFETIME
    stage.give(ev.DeadlineReached())
    assert stage.ids() == ["certificate.expired"]


def test_a_certificate_that_starts_later_proves_nothing_of_the_clock() -> None:
    """A clock without battery stays unset, whatever it installs."""
    stage = Stage().to_sent()
    newest = stage.now
    stage.now = T0.replace(year=1970)
    stage.issued(stage.pki.issue(device_key("key"), at=newest))
    assert stage.state is State.ISSUED_UNVERIFIED
    assert stage.machine.snapshot()["newest_at"] == newest.isoformat()


def test_records_of_one_list_grow() -> None:
    """Two records of one event show two moments."""
    stage = Stage().to_sent()
    stage.issued()
    first, second = (c.snapshot for c in stage.commands if isinstance(c, Record))
    assert first["awaited"] == "nothing"
    assert second["awaited"] == "installation"
