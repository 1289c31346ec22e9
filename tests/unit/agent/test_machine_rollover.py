"""The change of the CA in the transition table: asked for, agreed to, switched."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import (
    AskOperator,
    FetchCa,
    FetchNextCa,
    GenerateKey,
    Notify,
    Record,
    SendRequest,
)
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.next_ca import Consent
from sceplab_agent.core.policy import RenewalPolicy, RolloverMode, RolloverPolicy
from sceplab_agent.core.rollover import fetch_at, switch_at
from sceplab_agent.core.states import State
from sceplab_agent.core.values import TrustBasis
from tests.support.core import NO_RENEWAL, REJECTED, UNREACHABLE, FixedChance, Stage, policy
from tests.support.next_ca import ENDING, FOLLOWING, STRANGER, next_ca_received

DAY = timedelta(days=1)
BOTH = (*FOLLOWING.bundle, *ENDING.bundle)
"""What GetCACert shows after the server's switch: the new CA, behind it the old one."""


def stage(mode: RolloverMode = RolloverMode.AUTO, **changes: Any) -> Stage:
    """An installed certificate of a CA that ends; renewals stay out of the way."""
    wanted = policy(
        pin=ENDING.pin(),
        renewal=RenewalPolicy(at_share=0.9),
        rollover=RolloverPolicy(mode=mode),
        **changes,
    )
    return Stage(policy=wanted, pki=ENDING).to_installed()


def known(mode: RolloverMode = RolloverMode.AUTO, **changes: Any) -> Stage:
    """The next CA is known, of a server that would want a challenge for a certificate of it."""
    at = stage(mode, **changes)
    at.wake()
    at.give(next_ca_received(capabilities=NO_RENEWAL))
    return at


def ca_shown(at: Stage, *certificates_der: bytes) -> None:
    """GetCACert is answered with these."""
    at.give(
        ev.CaCertificatesReceived(certificates_der=certificates_der, capabilities=at.capabilities)
    )


def checks(at: Stage) -> Stage:
    """Wakes it through the days on which the server names no other next CA."""
    at.wake()
    while at.commands and isinstance(at.commands[0], FetchNextCa):
        at.give(ev.NextCaAbsent())
        at.wake()
    return at


def switched(at: Stage) -> Stage:
    """The renewal goes out to the next CA."""
    checks(at).one(FetchCa)
    ca_shown(at, *BOTH)
    return at


@pytest.mark.covers("C-31")
def test_asked_at_its_time_and_known_at_rest() -> None:
    """Asked spread over a day from the set moment on; the certificate in use is not touched."""
    at = stage()
    before = at.machine.active
    assert at.machine.ca is not None
    assert at.machine.next_deadline() == fetch_at(at.machine.ca) + 0.5 * DAY
    at.wake()
    at.one(FetchNextCa)
    assert at.state is State.INSTALLED
    at.give(next_ca_received())
    assert at.state is State.ROLLOVER
    assert at.ids() == ["rollover.known", "rollover.resting"]
    following = at.machine.next_ca
    assert following is not None
    assert following.ca.anchor_der == FOLLOWING.anchor_der
    assert at.machine.active == before
    assert at.machine.switch_at == switch_at(at.machine.ca, following.ca, before_s=3600)


@pytest.mark.parametrize(
    ("answer", "event_id"),
    [
        (ev.NextCaAbsent(), "rollover.none"),
        (UNREACHABLE, "rollover.unanswered"),
        (next_ca_received(STRANGER), "rollover.refused"),
        (next_ca_received(following=ENDING), "rollover.refused"),
        (
            ev.NextCaReceived(body=b"<html>", capabilities=next_ca_received().capabilities),
            "rollover.refused",
        ),
    ],
)
def test_without_a_next_ca_it_is_asked_a_day_later(answer: ev.Event, event_id: str) -> None:
    """Nothing trustworthy came: recorded, asked again no sooner, also after a restart."""
    at = stage()
    at.wake()
    at.give(answer)
    assert at.ids() == [event_id]
    assert at.state is State.INSTALLED
    assert at.machine.next_deadline() == at.now + DAY
    at.restart()
    at.give(ev.Restarted())
    assert at.machine.next_deadline() == at.now + DAY


def test_a_clock_that_was_ahead_does_not_keep_it_from_asking() -> None:
    """What failed while the clock was wrong is past; the renewal may come after the switch."""
    at = stage(RolloverMode.AUTO)
    asks_at, before = at.machine.next_deadline(), at.now
    assert asks_at is not None
    at.now += timedelta(days=4000)
    at.give(ev.DeadlineReached())
    at.now = before
    at.give(ev.DeadlineReached())
    assert at.state is State.FAILED
    assert at.machine.next_deadline() == asks_at
    at.wake()
    at.one(FetchNextCa)
    at.give(next_ca_received())
    assert at.state is State.FAILED
    assert at.ids() == ["rollover.known"]


def test_waiting_for_a_challenge_does_not_keep_it_from_asking() -> None:
    """The certificate in use is renewed without one; its CA may switch before that."""
    at = stage(RolloverMode.AUTO)
    asks_at = at.machine.next_deadline()
    assert asks_at is not None
    at.give(ev.EnrollRequested(has_challenge=False))
    assert at.state is State.NEEDS_CHALLENGE
    at.now = asks_at
    at.give(ev.DeadlineReached())
    at.one(FetchNextCa)
    at.give(next_ca_received())
    assert at.state is State.NEEDS_CHALLENGE
    assert at.ids()[-1] == "rollover.known"


def test_a_restart_while_asking_asks_again() -> None:
    """The question leaves no record; a new process asks it at once."""
    at = stage()
    at.wake()
    at.restart()
    at.give(ev.Restarted())
    at.wake()
    at.one(FetchNextCa)


def test_a_renewal_goes_before_the_question() -> None:
    """Who is asked for the next CA and for a renewal renews; the late answer is illegal."""
    at = stage()
    at.wake()
    at.give(ev.RenewRequested())
    assert at.state is State.RENEW_DUE
    at.one(FetchCa)


@pytest.mark.covers("C-31")
def test_the_switch_renews_with_the_new_ca() -> None:
    """The server shows it: pinned by succession, the request goes to its RA, the old key goes."""
    at = switched(known())
    assert at.state is State.KEYGEN
    assert at.ids() == ["rollover.switched", "enrollment.key"]
    at.key_ready()
    at.built()
    assert set(at.one(SendRequest).trusted_signers_der) <= set(FOLLOWING.bundle)
    at.pki = FOLLOWING
    at.issued()
    at.give(ev.CertificateInstalled())
    machine = at.machine
    assert (at.state, machine.next_ca) == (State.INSTALLED, None)
    assert machine.ca is not None
    assert machine.ca.basis is TrustBasis.SUCCESSION
    assert machine.ca.anchor_der == FOLLOWING.anchor_der
    assert machine.active is not None
    assert machine.active.generation == 2
    assert machine.active.chain_der == (FOLLOWING.anchor_der,)


@pytest.mark.parametrize("record", ["rollover.known", "rollover.resting", "rollover.switched"])
def test_a_power_cut_behind_each_record_loses_nothing(record: str) -> None:
    """From every record of a rollover the course goes on to the switch."""
    at = known() if record != "rollover.switched" else switched(known())
    records = [command for command in at.log if isinstance(command, Record)]
    snapshot = next(one.snapshot for one in records if one.event_id == record)
    at.machine = EnrollmentMachine.restore(
        at.policy,
        json.loads(json.dumps(snapshot)),
        rng=FixedChance(),
        new_transaction_id=lambda: "again",
    )
    at.give(ev.Restarted())
    if record != "rollover.switched":
        assert at.state is State.ROLLOVER
        switched(at)
    assert at.one(GenerateKey).key_id == "key.2"
    assert at.machine.ca is not None
    assert at.machine.ca.anchor_der == FOLLOWING.anchor_der


def test_one_serial_number_may_be_used_by_two_cas() -> None:
    """A new certificate that bears the number of the one of the old CA is another certificate."""
    at = switched(known())
    assert at.machine.active is not None
    at.key_ready()
    at.built()
    at.pki = FOLLOWING
    at.issued(serial=at.machine.active.serial_number)
    assert at.ids() == ["enrollment.issued", "certificate.accepted"]


def test_the_old_ca_is_not_followed_beyond_its_end() -> None:
    """A server that still shows the old CA only is left at the moment of the switch."""
    at = known()
    assert at.machine.switch_at is not None
    checks(at)
    ca_shown(at, *ENDING.bundle)
    assert at.machine.ca is not None
    assert at.machine.ca.anchor_der == ENDING.anchor_der  # before the moment: a plain renewal
    late = known()
    assert late.machine.switch_at is not None
    late.now = late.machine.switch_at
    late.give(ev.DeadlineReached())
    ca_shown(late, *ENDING.bundle)
    assert late.ids()[0] == "rollover.switched"


def test_a_clock_far_ahead_does_not_switch() -> None:
    """The server shows the current CA alone, which has ended by this clock: it is not left."""
    at = known()
    assert at.machine.ca is not None
    at.give(ev.RenewRequested())
    at.now = ENDING.valid_to + 30 * DAY
    ca_shown(at, *ENDING.bundle)
    assert "rollover.switched" not in at.ids()
    assert at.machine.ca.anchor_der == ENDING.anchor_der
    assert at.machine.next_ca is not None


def test_a_server_that_falls_back_is_waited_for() -> None:
    """After the switch an answer with the old CA alone passes; it is no mismatch."""
    at = switched(known())
    at.key_ready()
    at.built()
    at.give(REJECTED)
    at.wake()
    ca_shown(at, *ENDING.bundle)
    assert at.state is State.RETRY_WAIT


def test_a_changed_pin_has_the_last_word() -> None:
    """The old pin stands for its successor; another one is a mismatch, or chooses again."""
    at = switched(known())
    at.key_ready()
    at.built()
    at.pki = FOLLOWING
    at.issued()
    at.give(ev.CertificateInstalled())
    at.give(ev.RenewRequested())
    ca_shown(at, *BOTH)
    assert at.machine.ca is not None
    assert at.machine.ca.basis is TrustBasis.SUCCESSION
    at.machine.set_policy(policy(pin=STRANGER.pin()))
    at.give(ev.KeyFailed(reason="locked", is_retryable=False))
    at.give(ev.RenewRequested())
    ca_shown(at, *BOTH)
    assert at.state is State.BLOCKED


@pytest.mark.covers("C-31")
def test_asked_the_operator_decides() -> None:
    """Mode ask: shown, reported once when due, never switched; then accepted and switched."""
    at = known(RolloverMode.ASK)
    assert at.one(AskOperator).certificate_der == FOLLOWING.anchor_der
    assert at.machine.candidate is not None
    at.restart()
    at.give(ev.Restarted())
    at.one(AskOperator)
    checks(at)
    assert at.ids() == ["rollover.delayed"]
    needed = at.one(Notify)
    assert "approve-fingerprint" in str(needed.details["next_step"])
    assert at.machine.switch_at is not None
    assert at.machine.next_deadline() != at.machine.switch_at
    at.give(ev.CaAccepted())
    assert at.ids() == ["rollover.accepted"]
    assert at.machine.candidate is None
    assert at.state is State.ROLLOVER
    switched(at)
    assert at.state is State.KEYGEN


def test_without_consent_a_renewal_takes_the_current_ca() -> None:
    """Renewals go on while the operator thinks, and come to rest with the question open."""
    at = known(RolloverMode.ASK)
    at.give(ev.RenewRequested())
    ca_shown(at, *BOTH)
    at.key_ready()
    at.built()
    at.issued()
    at.give(ev.CertificateInstalled())
    assert at.state is State.ROLLOVER
    assert at.machine.ca is not None
    assert at.machine.ca.anchor_der == ENDING.anchor_der


def test_a_blocked_renewal_is_freed_by_consent() -> None:
    """The server shows the new CA only, nobody agreed: blocked, and the same command helps."""
    at = known(RolloverMode.ASK)
    at.give(ev.RenewRequested())
    ca_shown(at, *FOLLOWING.bundle)
    assert at.state is State.BLOCKED
    assert at.machine.candidate is not None
    at.give(ev.CaAccepted())
    assert at.state is State.ROLLOVER
    at.give(ev.RenewRequested())
    ca_shown(at, *FOLLOWING.bundle)
    assert at.ids()[0] == "rollover.switched"


def test_a_refusal_holds_until_it_is_changed() -> None:
    """In mode auto too the operator may say no; nothing is switched then."""
    at = known(RolloverMode.ASK)
    at.give(ev.CaRefused())
    assert at.ids() == ["rollover.declined"]
    assert at.machine.next_ca is not None
    assert at.machine.next_ca.consent is Consent.REFUSED
    at.give(ev.CaAccepted())
    assert at.machine.next_ca.consent is Consent.ACCEPTED


def test_off_never_asks() -> None:
    """Nothing is fetched; only the renewal is waited for."""
    at = stage(RolloverMode.OFF)
    assert at.machine.next_deadline() == at.machine.renewal_at


def test_an_authentication_after_the_switch_takes_the_new_ca() -> None:
    """GetCACert on request sees the new CA first; the certificate follows at once."""
    at = known()
    at.give(ev.AuthenticateRequested())
    ca_shown(at, *BOTH)
    assert at.state is State.INSTALLED
    assert at.ids() == ["rollover.switched", "ca.pinned"]
    assert at.machine.next_deadline() == at.now
    at.wake()
    assert at.state is State.RENEW_DUE


def test_another_pinned_ca_makes_the_next_one_void() -> None:
    """A CA that the operator pins instead has no successor yet."""
    at = known()
    at.machine.set_policy(policy(pin=STRANGER.pin()))
    at.give(ev.TrustpointConfigured())
    at.give(ev.AuthenticateRequested())
    ca_shown(at, *STRANGER.bundle)
    assert at.machine.next_ca is None
    assert at.state is State.INSTALLED
