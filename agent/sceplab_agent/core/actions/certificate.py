"""Actions from the reply that holds a certificate to the deletion of the key it replaces."""

from __future__ import annotations

from dataclasses import replace

from sceplab_agent.core.acceptance import fits, judge_issued
from sceplab_agent.core.commands import DeleteKey, InstallCertificate
from sceplab_agent.core.events import KeyDeleted, KeyFailed, ReplyIssued
from sceplab_agent.core.gain import count_gainless, describe_gainless
from sceplab_agent.core.model import Awaited, Enrollment, Goal
from sceplab_agent.core.rollover import belongs_to
from sceplab_agent.core.turn import Turn
from sceplab_agent.core.values import ActiveCertificate
from sceplab_agent.core.verdicts import CertificateFit
from sceplab_scep.certificates import describe_certificate, load_certificate
from sceplab_scep.key_usage import serves, usage_names


def keep_reply(turn: Turn) -> None:
    """Records the raw reply, then judges what is in it."""
    model, event, transaction = turn.model, turn.event, turn.model.transaction
    assert isinstance(event, ReplyIssued)
    assert transaction is not None
    transaction.reply_der = event.reply_der
    transaction.reply_certificates_der = event.certificates_der
    model.awaited = Awaited.NOTHING
    model.attempts = 0
    turn.record(
        "enrollment.issued",
        transaction_id=transaction.transaction_id,
        certificates=len(event.certificates_der),
    )
    judge_reply(turn)


def judge_reply(turn: Turn) -> None:
    """Holds the certificates of the kept reply against key, subject, chain and time.

    One that is to be kept until the switch has to be valid then.
    """
    model, key = turn.model, turn.model.new_key
    ca, now = model.ca_at_work, turn.now
    assert model.transaction is not None
    assert ca is not None
    assert key is not None
    model.wait_for(Awaited.NOTHING)
    active = model.active
    is_kept = model.goal is Goal.ROLLOVER
    if is_kept and model.switch_at is not None:
        now = max(now, model.switch_at)
    may_differ = is_kept or ca.succession is not None
    if active and may_differ and not belongs_to(active.certificate_der, ca, turn.policy):
        active = None  # another CA's serial numbers mean nothing
    verdict = judge_issued(
        model.transaction,
        public_key_der=key.public_key_der,
        ca=ca,
        active=active,
        policy=turn.policy,
        now=now,
        newest_at=model.newest_at,
    )
    turn.follow(verdict)


def install(turn: Turn) -> None:
    """Has the fit certificate put in its place."""
    event, transaction = turn.event, turn.model.transaction
    assert isinstance(event, CertificateFit)
    assert transaction is not None
    transaction.issued_der = event.certificate_der
    transaction.issued_chain_der = event.chain_der
    install_accepted(turn)


def install_accepted(turn: Turn) -> None:
    """Has the certificate put in its place that was judged fit. Again after a failure or restart.

    It is not judged once more: it may be in its place already, as a power cut left it.
    """
    model, transaction = turn.model, turn.model.transaction
    assert transaction is not None
    assert model.new_key is not None
    if not turn.is_clock_set and fits(transaction.issued_der, turn.now, turn.policy):
        model.newest_at = turn.now
        turn.is_clock_set = True
        model.schedule(turn.policy)  # what was asked at a moment taken back counts no more
    model.wait_for(Awaited.INSTALLATION)
    turn.record(
        "certificate.accepted",
        transaction_id=transaction.transaction_id,
        generation=model.new_key.generation,
    )
    turn.give(
        InstallCertificate(
            generation=model.new_key.generation,
            key_id=model.new_key.key_id,
            certificate_der=transaction.issued_der,
            chain_der=transaction.issued_chain_der,
            is_candidate=turn.policy.hands_over,
        )
    )


def activate(turn: Turn) -> None:
    """The installed certificate is the active one; the key it replaces retires last."""
    put_in_charge(turn, new_active(turn), "certificate.installed")


def put_in_charge(turn: Turn, active: ActiveCertificate, event_id: str, **details: str) -> None:
    """Makes a certificate the active one and retires the key of the one before.

    Args:
        turn: the present turn.
        active: the new one.
        event_id: of the record that says so.
        details: of that record, besides the certificate's own.
    """
    model = turn.model
    before = model.active
    model.active = active
    if before is not None and before.is_key_ours and before.key_id != active.key_id:
        _retire(model, before.key_id)
    model.new_key = None
    model.transaction = None
    model.goal = Goal.NONE
    model.awaited = Awaited.NOTHING
    model.failure = None
    model.attempts = 0
    model.rounds = 0
    model.is_recovered = False
    model.is_expiry_noted = False
    model.is_handoff_open = False
    model.gap_from = None
    model.schedule(turn.policy)
    turn.record(
        event_id,
        generation=active.generation,
        key_id=active.key_id,
        serial_number=f"{active.serial_number:X}",
        subject=active.subject,
        not_after=active.not_after.isoformat(),
        renewal_at=model.renewal_at.isoformat() if model.renewal_at else None,
        **details,
    )
    _tell_usage(turn, active)
    if active.gainless == 1:
        reason, step = describe_gainless(active), model.gainless_step(turn.policy)
        turn.notify("renewal.gainless", reason=reason, next_step=step)
    delete_retired_key(turn)


def _retire(model: Enrollment, key_id: str) -> None:
    """A key is to be deleted, unless a kept certificate has the same one."""
    shadow = model.shadow
    if shadow is not None and shadow.key.key_id == key_id:
        model.shadow = replace(shadow, key=replace(shadow.key, is_ours=True))
    else:
        model.retired_keys = (*model.retired_keys, key_id)


def _tell_usage(turn: Turn, active: ActiveCertificate) -> None:
    """The CA decides what a certificate is for; who asked for something else is told."""
    use = turn.policy.key_use
    certificate = load_certificate(active.certificate_der)
    if use is not None and not serves(certificate, use):
        granted = ", ".join(usage_names(certificate))
        turn.notify("certificate.other-usage", asked=", ".join(sorted(use.names)), granted=granted)


def new_active(turn: Turn) -> ActiveCertificate:
    """The certificate of the open transaction, as it will be in use."""
    before, key, transaction = turn.model.active, turn.model.new_key, turn.model.transaction
    assert key is not None
    assert transaction is not None
    summary = describe_certificate(transaction.issued_der)
    is_same_key = before is not None and before.key_id == key.key_id
    return ActiveCertificate(
        generation=key.generation,
        key_id=key.key_id,
        is_key_ours=before.is_key_ours if before is not None and is_same_key else key.is_ours,
        certificate_der=summary.der,
        chain_der=transaction.issued_chain_der,
        public_key_der=key.public_key_der,
        serial_number=summary.serial_number,
        subject=summary.subject,
        not_before=summary.not_before,
        not_after=summary.not_after,
        jitter=turn.rng.random(),
        installed_at=turn.now,
        gainless=count_gainless(before, summary.not_after, transaction.issued_chain_der),
    )


def delete_retired_key(turn: Turn) -> None:
    """Deletes one retired key; the answer deletes the next.

    None while a consumer may be using the key of a certificate that was given up.
    """
    if turn.model.retired_keys and not turn.model.is_handoff_open:
        key_id = turn.model.retired_keys[0]
        turn.record("key.retired", key_id=key_id)
        turn.give(DeleteKey(key_id=key_id))


def forget_retired_key(turn: Turn) -> None:
    """A retired key is gone."""
    model, event = turn.model, turn.event
    assert isinstance(event, KeyDeleted)
    model.retired_keys = tuple(key_id for key_id in model.retired_keys if key_id != event.key_id)
    turn.record("key.deleted", key_id=event.key_id)
    delete_retired_key(turn)


def keep_retired_key(turn: Turn) -> None:
    """A retired key could not be deleted: it goes to the end of the list."""
    model, event = turn.model, turn.event
    assert isinstance(event, KeyFailed)
    key_id = event.key_id or model.retired_keys[0]
    others = tuple(other for other in model.retired_keys if other != key_id)
    model.retired_keys = (*others, key_id)
    turn.notify("key.kept", key_id=key_id, reason=event.reason)


ACTIONS = (
    keep_reply,
    install,
    install_accepted,
    activate,
    forget_retired_key,
    keep_retired_key,
)
