"""The certificate of the next CA in the transition table: asked for, kept, put in use."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import (
    AskOperator,
    BuildRequest,
    DeleteKey,
    FetchCa,
    FetchNextCa,
    GenerateKey,
    HandOver,
    InstallCertificate,
    Record,
    SendRequest,
)
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.model import Awaited, Goal
from sceplab_agent.core.policy import (
    Backoff,
    PollPolicy,
    Recovery,
    RenewalPolicy,
    RolloverMode,
    RolloverPolicy,
)
from sceplab_agent.core.rollover import ends_at
from sceplab_agent.core.snapshot import read_snapshot
from sceplab_agent.core.states import State
from sceplab_agent.core.values import TrustBasis
from sceplab_scep.attributes import MessageType
from sceplab_scep.capabilities import Capabilities
from tests.support.core import (
    FORGED,
    FULL,
    NO_RENEWAL,
    REJECTED,
    T0,
    UNREACHABLE,
    FixedChance,
    Pki,
    Stage,
    device_key,
    policy,
)
from tests.support.next_ca import ENDING, FOLLOWING, next_ca_received

DAY = timedelta(days=1)
OTHER_RA = Pki(name="following", ra="c")
"""The next CA, with other RA certificates than before."""
RIVAL = Pki(name="rival", ra="c")
"""Another CA that the current one may name instead."""


def known(
    mode: RolloverMode = RolloverMode.AUTO, capabilities: Capabilities = FULL, **changes: Any
) -> Stage:
    """An installed certificate of a CA that has named its successor."""
    values: dict[str, Any] = {
        "pin": ENDING.pin(),
        "renewal": RenewalPolicy(at_share=0.9),
        "rollover": RolloverPolicy(mode=mode),
    }
    at = Stage(policy=policy(**(values | changes)), pki=ENDING).to_installed()
    at.wake()
    at.give(next_ca_received(capabilities=capabilities))
    return at


def through_checks(at: Stage) -> Stage:
    """Wakes it through the days on which the server names the same next CA."""
    at.wake()
    while at.commands and isinstance(at.commands[0], FetchNextCa):
        at.give(next_ca_received())
        at.wake()
    return at


def asked(**changes: Any) -> Stage:
    """The request to the next CA is out."""
    at = through_checks(known(**changes))
    at.key_ready()
    at.built()
    return at


def answered(at: Stage, **details: Any) -> Stage:
    """The next CA issues."""
    at.pki = FOLLOWING
    at.issued(**details)
    at.pki = ENDING
    return at


def ready(**changes: Any) -> Stage:
    """The next CA's certificate is kept."""
    return answered(asked(**changes))


def switching(at: Stage) -> Stage:
    """The moment of the switch has come."""
    assert at.machine.switch_at is not None
    at.now = at.machine.switch_at
    at.give(ev.DeadlineReached())
    return at


def ca_shown(at: Stage, *certificates_der: bytes) -> None:
    """GetCACert is answered with these."""
    at.give(
        ev.CaCertificatesReceived(certificates_der=certificates_der, capabilities=at.capabilities)
    )


@pytest.mark.covers("C-31")
def test_the_request_goes_to_the_next_ca_and_the_answer_is_kept() -> None:
    """Signed by the certificate in use, enveloped for the next CA; nothing is installed."""
    at = through_checks(known())
    before = at.machine.active
    assert (at.state, at.machine.goal) == (State.KEYGEN, Goal.ROLLOVER)
    assert at.ids() == ["rollover.shadow-due", "enrollment.key"]
    at.key_ready()
    request = at.one(BuildRequest)
    assert request.message_type is MessageType.RENEWAL_REQ
    assert request.signer_key_id == "key"
    assert request.key_id == "key.2"
    assert request.recipient_der in FOLLOWING.bundle
    assert request.issuer_der == FOLLOWING.anchor_der
    at.built()
    trusted = set(at.one(SendRequest).trusted_signers_der)
    assert trusted & set(FOLLOWING.bundle)
    assert trusted & set(ENDING.bundle), "the current CA's RA may say that it is too early"
    answered(at)
    assert at.ids() == ["enrollment.issued", "rollover.shadow-ready"]
    assert not any(isinstance(command, InstallCertificate) for command in at.commands)
    machine = at.machine
    assert (at.state, machine.goal, machine.awaited) == (
        State.ROLLOVER,
        Goal.NONE,
        Awaited.NOTHING,
    )
    assert machine.active == before
    assert machine.shadow is not None
    assert machine.new_key is None
    assert machine.transaction is None


@pytest.mark.covers("C-31")
@pytest.mark.parametrize("hands_over", [False, True])
def test_the_switch_needs_no_network(*, hands_over: bool) -> None:
    """Judged, installed, handed over, from what was kept; the key of the old one goes last."""
    at = ready()
    at.machine.set_policy(replace(at.policy, hands_over=hands_over))
    start = len(at.log)
    switching(at)
    assert at.ids() == ["rollover.switched", "certificate.accepted"]
    machine = at.machine
    assert machine.ca is not None
    assert machine.ca.anchor_der == FOLLOWING.anchor_der
    assert machine.ca.basis is TrustBasis.SUCCESSION
    assert machine.active is not None
    assert machine.active.generation == 1
    at.give(ev.CertificateInstalled())
    if hands_over:
        at.one(HandOver)
        at.give(ev.HandedOver(proof="the tunnel is up"))
    assert at.one(DeleteKey).key_id == "key"
    at.give(ev.KeyDeleted(key_id="key"))
    assert at.state is State.INSTALLED
    assert machine.active.generation == 2
    assert machine.active.key_id == "key.2"
    assert machine.active.chain_der == (FOLLOWING.anchor_der,)
    assert (machine.next_ca, machine.shadow, machine.retired_keys) == (None, None, ())
    network = (FetchCa, FetchNextCa, BuildRequest, SendRequest, GenerateKey)
    assert not [command for command in at.log[start:] if isinstance(command, network)]


RECORDS = (
    *("rollover.known", "rollover.resting", "rollover.shadow-due", "enrollment.key"),
    *("enrollment.request", "enrollment.issued", "rollover.shadow-ready"),
    *("rollover.switched", "certificate.accepted", "handoff.started", "handoff.done"),
    *("key.retired", "key.deleted"),
)


def sign(at: Stage, request: Any) -> None:
    """The CA that may answer issues."""
    is_next = set(request.trusted_signers_der) & set(FOLLOWING.bundle)
    at.pki = FOLLOWING if is_next else ENDING
    at.issued()


ANSWERS: dict[type, Callable[[Stage, Any], object]] = {
    FetchNextCa: lambda at, _: at.give(next_ca_received()),
    FetchCa: lambda at, _: ca_shown(at, *ENDING.bundle),
    GenerateKey: lambda at, _: at.key_ready(),
    BuildRequest: lambda at, _: at.built(),
    SendRequest: sign,
    InstallCertificate: lambda at, _: at.give(ev.CertificateInstalled()),
    HandOver: lambda at, _: at.give(ev.HandedOver(proof="the tunnel is up")),
    DeleteKey: lambda at, command: at.give(ev.KeyDeleted(key_id=command.key_id)),
}


def willing(at: Stage, until: Callable[[Stage], bool]) -> None:
    """Answers whatever is asked, and wakes where nothing is, until something holds."""
    commands = list(at.commands)
    for _ in range(300):
        if until(at):
            return
        asked = next((command for command in commands if type(command) in ANSWERS), None)
        if asked is None:
            at.wake()
        else:
            ANSWERS[type(asked)](at, asked)
        commands = list(at.commands)
    pytest.fail(f"did not get there: {at.state}")


@pytest.mark.parametrize("record", RECORDS)
def test_a_power_cut_behind_each_record_ends_the_same(record: str) -> None:
    """From every record on: one certificate, of the next CA, one key; no second transaction."""
    at = Stage(
        policy=policy(pin=ENDING.pin(), renewal=RenewalPolicy(at_share=0.9), hands_over=True),
        pki=ENDING,
    )
    at.to_sent().issued()
    at.give(ev.CertificateInstalled())
    at.give(ev.HandedOver(proof="first"))
    start = len(at.log)
    at.commands = []

    def is_done(at: Stage) -> bool:
        active = at.machine.active
        return active is not None and active.generation == 2 and not at.machine.retired_keys

    willing(at, is_done)
    records = [command for command in at.log[start:] if isinstance(command, Record)]
    found = [one for one in records if one.event_id == record]
    assert found, f"{record} is not among {[one.event_id for one in records]}"
    number = itertools.count(50)
    again = Stage(policy=at.policy, pki=ENDING, now=at.now)
    again.machine = EnrollmentMachine.restore(
        at.policy,
        json.loads(json.dumps(found[0].snapshot)),
        rng=FixedChance(),
        new_transaction_id=lambda: f"T{next(number)}",
    )
    assert again.machine.active is not None
    again.now = max(again.machine.active.installed_at, T0 + 120 * DAY)
    again.give(ev.Restarted())
    willing(again, is_done)
    machine = again.machine
    assert machine.active is not None
    assert machine.active.chain_der == (FOLLOWING.anchor_der,)
    assert machine.active.key_id == "key.2"
    assert machine.shadow is None
    sent = {c.transaction_id for c in again.log if isinstance(c, SendRequest)}
    is_out = RECORDS.index(record) >= RECORDS.index("enrollment.request")
    assert len(sent) <= 1
    assert not is_out or sent <= {"T2"}


def test_a_renewal_of_the_certificate_in_use_goes_first() -> None:
    """The attempt is bounded by it, ends when it is due, and is taken up again afterwards."""
    daily = Backoff(first_s=86400.0, ceiling_s=86400.0)
    poll = PollPolicy(backoff=daily, max_wait_s=60 * 86400.0)
    at = asked(renewal=RenewalPolicy(at_share=0.7), poll=poll)
    at.give(ev.ReplyPending())
    limit = at.machine.renewal_at
    assert at.machine.transaction is not None
    assert at.machine.transaction.deadline_at == limit
    while at.state is State.PENDING and at.now < limit:
        at.wake()
        if at.state is State.PENDING:
            at.built()
            at.give(ev.ReplyPending())
    assert at.now == limit
    assert (at.state, at.ids()) == (State.ROLLOVER, ["rollover.shadow-failed"])
    at.wake()
    assert at.state is State.RENEW_DUE
    ca_shown(at, *ENDING.bundle)
    assert at.one(GenerateKey).key_id == "key.2"
    at.key_ready()
    at.built()
    at.issued()
    at.give(ev.CertificateInstalled())
    assert at.state is State.ROLLOVER
    while at.state is State.ROLLOVER and at.machine.goal is Goal.NONE:
        through_checks(at)
    assert at.one(GenerateKey).key_id == "key.3"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (REJECTED, "rejected"),
        (FORGED, "peer"),
        (ev.ReplyIssued(reply_der=b"r", certificates_der=(b"rubbish",)), "peer"),
    ],
)
def test_a_server_that_does_not_serve_it_is_left_in_peace(answer: ev.Event, cause: str) -> None:
    """Back to rest, asked again with growing pauses; the switch by renewal stays."""
    at = asked()
    pauses = []
    for _ in range(6):
        at.give(answer)
        assert at.state is State.ROLLOVER
        (failed,) = [c for c in at.commands if isinstance(c, Record) and "shadow" in c.event_id]
        assert failed.details["cause"] == cause
        assert at.machine.failure is None
        begun = at.now
        through_checks(at)
        pauses.append((at.now - begun).total_seconds())
        at.key_ready()
        at.built()
    assert pauses[:4] == [900, 1800, 3600, 7200]
    at.give(answer)
    switching(at)
    assert at.state is State.RENEW_DUE
    ca_shown(at, *FOLLOWING.bundle)
    assert at.ids() == ["rollover.switched", "enrollment.key"]


def test_a_lost_answer_is_asked_for_with_the_same_bytes() -> None:
    """The ladder of any transaction, but never a second one; used up, it rests."""
    at = asked(recovery=Recovery.NEW)
    first = at.one(SendRequest)
    for _ in range(7):
        at.give(UNREACHABLE)
        assert at.state is State.RETRY_WAIT
        at.wake()
        assert at.one(SendRequest) == first
    at.give(UNREACHABLE)
    assert at.state is State.ROLLOVER


@pytest.mark.parametrize(
    "event",
    [
        ev.KeyFailed(reason="wrong PIN", is_retryable=False),
        ev.KeyReady(key_id="key", public_key_der=b"another"),
    ],
)
def test_a_key_store_that_refuses_does_not_fail_the_trustpoint(event: ev.Event) -> None:
    """The certificate in use goes on; the attempt is repeated later."""
    at = through_checks(known(renewal=RenewalPolicy(at_share=0.9, new_key=False)))
    at.give(event)
    assert (at.state, at.ids()) == (State.ROLLOVER, ["rollover.shadow-failed"])


def test_a_request_that_cannot_be_built_does_not_fail_the_trustpoint() -> None:
    """An algorithm below the floor of the next CA: said, and tried again later."""
    at = through_checks(known())
    at.key_ready()
    at.give(ev.RequestFailed(cause=ev.FailureCause.CONFIGURATION, reason="below the floor"))
    assert (at.state, at.ids()) == (State.ROLLOVER, ["rollover.shadow-failed"])


@pytest.mark.parametrize("state", [State.REQUESTING, State.PENDING, State.RETRY_WAIT])
def test_cancelled_it_leaves_no_key(state: State) -> None:
    """The attempt is given up with its key; the next one comes a check later."""
    at = asked()
    if state is State.PENDING:
        at.give(ev.ReplyPending())
    if state is State.RETRY_WAIT:
        at.give(UNREACHABLE)
    at.give(ev.EnrollmentCancelled())
    assert at.state is State.ROLLOVER
    assert at.one(DeleteKey).key_id == "key.2"
    at.give(ev.KeyDeleted(key_id="key.2"))
    begun = at.now
    through_checks(at)
    assert at.one(GenerateKey).key_id == "key.2"
    assert at.now >= begun + DAY


def test_a_kept_one_can_be_cancelled() -> None:
    """Its key is deleted; without a kept one there is nothing to cancel."""
    at = ready()
    at.give(ev.EnrollmentCancelled())
    assert at.ids() == ["rollover.shadow-cancelled", "key.retired"]
    assert at.one(DeleteKey).key_id == "key.2"
    assert at.machine.shadow is None
    with pytest.raises(IllegalEventError):
        at.give(ev.EnrollmentCancelled())


def test_a_renewal_beside_a_kept_one_takes_another_key() -> None:
    """The operator renews with the current CA; at the switch the kept one is the newest."""
    at = ready()
    at.give(ev.RenewRequested())
    ca_shown(at, *ENDING.bundle)
    assert at.one(GenerateKey).key_id == "key.3"
    at.key_ready()
    at.built()
    at.issued()
    at.give(ev.CertificateInstalled())
    assert at.machine.retired_keys == ("key",)
    assert at.state is State.ROLLOVER
    switching(at)
    assert at.ids()[0] == "rollover.switched"
    at.give(ev.CertificateInstalled())
    assert at.machine.active is not None
    assert (at.machine.active.key_id, at.machine.active.generation) == ("key.2", 4)


def test_a_failed_renewal_does_not_keep_the_switch_away() -> None:
    """A renewal that waits, and an operator who is waited for, give way to the kept one."""
    for answer in (UNREACHABLE, REJECTED):
        at = ready()
        at.give(ev.RenewRequested())
        ca_shown(at, *ENDING.bundle)
        at.key_ready()
        at.built()
        at.give(answer)
        assert at.state is State.RETRY_WAIT
        switching(at)
        assert at.ids()[0] == "rollover.switched"
        at.give(ev.CertificateInstalled())
        assert set(at.machine.retired_keys) == {"key", "key.3"}


def test_one_key_for_both_is_never_deleted() -> None:
    """With renewal.new_key = false the kept certificate has the key of the one in use."""
    at = ready(renewal=RenewalPolicy(at_share=0.9, new_key=False))
    assert at.machine.shadow is not None
    assert at.machine.shadow.key.key_id == "key"
    switching(at)
    at.give(ev.CertificateInstalled())
    assert at.machine.retired_keys == ()
    at = ready(renewal=RenewalPolicy(at_share=0.9, new_key=False))
    at.give(ev.EnrollmentCancelled())
    assert at.machine.retired_keys == ()


def test_a_shared_key_outlives_a_renewal_with_a_new_one() -> None:
    """The certificate before retires, its key is the kept one's: it stays, and is ours."""
    at = ready(renewal=RenewalPolicy(at_share=0.9, new_key=False))
    at.machine.set_policy(policy(pin=ENDING.pin(), renewal=RenewalPolicy(at_share=0.9)))
    at.give(ev.RenewRequested())
    ca_shown(at, *ENDING.bundle)
    at.key_ready()
    at.built()
    at.issued()
    at.give(ev.CertificateInstalled())
    assert at.machine.retired_keys == ()
    assert at.machine.shadow is not None
    assert at.machine.shadow.key.is_ours


def test_an_enrollment_from_nothing_gives_the_kept_one_up() -> None:
    """It would bear the names of the certificate that is replaced."""
    at = ready()
    at.give(ev.EnrollRequested())
    assert at.machine.shadow is None
    assert at.machine.retired_keys == ("key.2",)


@pytest.mark.parametrize("state", [State.PENDING, State.RETRY_WAIT])
@pytest.mark.parametrize("wish", [ev.RenewRequested(), ev.EnrollRequested()])
def test_the_operator_goes_before_an_attempt(state: State, wish: ev.Event) -> None:
    """While the next CA thinks, `renew` and `enroll` begin at once, with the current CA."""
    at = asked()
    at.give(ev.ReplyPending() if state is State.PENDING else UNREACHABLE)
    assert at.state is state
    at.give(wish)
    ca_shown(at, *ENDING.bundle)
    at.key_ready()
    assert at.one(BuildRequest).recipient_der in ENDING.bundle


def test_no_attempt_without_consent() -> None:
    """Mode ask: nothing is requested from a CA that nobody accepted; with consent it is."""
    at = known(RolloverMode.ASK)
    at.one(AskOperator)
    assert at.machine.shadow_at is None
    at.give(ev.CaAccepted())
    assert at.machine.shadow_at is not None
    through_checks(at)
    assert at.machine.goal is Goal.ROLLOVER


def test_consent_taken_back_keeps_the_certificate_out_of_use() -> None:
    """Mode off from now on: what is kept is not put in force."""
    at = ready()
    at.machine.set_policy(
        policy(
            pin=ENDING.pin(),
            renewal=RenewalPolicy(at_share=0.9),
            rollover=RolloverPolicy(mode=RolloverMode.OFF),
        )
    )
    assert at.machine.switch_at is not None
    at.now = at.machine.switch_at
    at.give(ev.DeadlineReached())
    assert "rollover.switched" not in at.ids()


@pytest.mark.parametrize(
    ("capabilities", "changes"),
    [
        (NO_RENEWAL, {}),
        (FULL, {"renewal": RenewalPolicy(enabled=False)}),
    ],
)
def test_where_there_is_no_attempt(capabilities: Capabilities, changes: dict[str, Any]) -> None:
    """It would spend a challenge, or nobody wants renewals."""
    at = known(capabilities=capabilities, **changes)
    assert at.machine.shadow_at is None
    assert known(capabilities=NO_RENEWAL, uses_challenge=False).machine.shadow_at is not None


def test_other_ra_certificates_of_the_same_next_ca_are_taken_over() -> None:
    """The daily question finds them; what is kept stays."""
    at = ready()
    at.wake()
    at.one(FetchNextCa)
    at.give(next_ca_received(following=OTHER_RA))
    assert at.ids() == ["rollover.unchanged"]
    assert at.machine.next_ca is not None
    assert at.machine.next_ca.ca.recipient_der in OTHER_RA.bundle
    assert at.machine.shadow is not None


def test_another_successor_makes_the_kept_one_void() -> None:
    """Its key is deleted, consent is asked for again, an attempt with the other one follows."""
    at = ready(mode=RolloverMode.AUTO)
    at.wake()
    at.give(next_ca_received(following=RIVAL))
    assert at.ids() == ["rollover.changed", "key.retired"]
    assert at.one(DeleteKey).key_id == "key.2"
    at.give(ev.KeyDeleted(key_id="key.2"))
    assert at.machine.shadow is None
    assert at.machine.next_ca is not None
    assert at.machine.next_ca.ca.anchor_der == RIVAL.anchor_der
    at.now += timedelta(minutes=1)
    assert at.machine.shadow_at is not None


def test_another_successor_is_shown_to_the_operator() -> None:
    """What was accepted was the other one."""
    at = known(RolloverMode.ASK)
    at.give(ev.CaAccepted())
    answered(through_shadow(at))
    at.wake()
    at.give(next_ca_received(following=RIVAL))
    assert at.one(AskOperator).certificate_der == RIVAL.anchor_der
    assert at.machine.shadow_at is None


def through_shadow(at: Stage) -> Stage:
    """To the request that is out."""
    through_checks(at)
    at.key_ready()
    at.built()
    return at


@pytest.mark.parametrize("request_", [ev.RenewRequested(), ev.AuthenticateRequested()])
def test_a_server_that_switched_earlier_is_followed_with_the_kept_one(request_: ev.Event) -> None:
    """A fetch shows the next CA: what is kept takes over, no request is made."""
    at = ready()
    at.give(request_)
    ca_shown(at, *FOLLOWING.bundle, *ENDING.bundle)
    assert at.ids() == ["rollover.switched", "certificate.accepted"]
    at.give(ev.CertificateInstalled())
    assert at.state is State.INSTALLED
    assert at.machine.active is not None
    assert at.machine.active.key_id == "key.2"


LATE = Pki(name="late", ra="c", valid_from=ENDING.valid_to)
"""A next CA that begins when the current one ends, as an IOS CA server makes it."""


def late_ready() -> Stage:
    """A kept certificate that is valid from the end of the current CA on."""
    at = Stage(
        policy=policy(pin=ENDING.pin(), renewal=RenewalPolicy(at_share=0.9)), pki=ENDING
    ).to_installed()
    at.wake()
    at.give(next_ca_received(following=LATE))
    at.wake()
    while at.commands and isinstance(at.commands[0], FetchNextCa):
        at.give(next_ca_received(following=LATE))
        at.wake()
    at.key_ready()
    at.built()
    future = LATE.issue(device_key("key.2"), at=ENDING.valid_to)
    at.give(ev.ReplyIssued(reply_der=b"reply", certificates_der=(future,)))
    return at


def test_what_is_not_valid_yet_is_kept_and_waits() -> None:
    """Judged at the moment of the switch, which is when the next CA begins."""
    at = late_ready()
    assert at.ids()[-1] == "rollover.shadow-ready"
    assert at.machine.ca is not None
    assert at.machine.switch_at == ends_at(at.machine.ca)
    switching(at)
    assert at.ids() == ["rollover.switched", "certificate.accepted"]


def test_what_is_not_valid_yet_is_never_put_in_force() -> None:
    """A server that shows the next CA too early gets a plain renewal refused, not the kept one."""
    at = late_ready()
    at.give(ev.RenewRequested())
    ca_shown(at, *LATE.bundle, *ENDING.bundle)
    assert at.machine.ca is not None
    assert at.machine.ca.anchor_der == ENDING.anchor_der
    assert at.machine.shadow is not None


def test_one_that_would_have_ended_before_the_switch_is_not_kept() -> None:
    """A CA that issues for days only: said, and asked again nearer to the switch."""
    at = asked()
    short = FOLLOWING.issue(device_key("key.2"), at=at.now, lifetime=DAY)
    at.give(ev.ReplyIssued(reply_der=b"reply", certificates_der=(short,)))
    assert at.ids()[-1] == "rollover.shadow-failed"
    assert at.machine.shadow is None


def test_a_kept_one_steps_in_when_the_certificate_in_use_ends() -> None:
    """Renewals failed to the last minute, the switch is later: what is kept is used at once."""
    at = ready(poll=PollPolicy(max_wait_s=60.0))
    machine = at.machine
    short = ENDING.issue(device_key("key.3"), at=at.now, lifetime=10 * DAY)
    at.give(ev.RenewRequested())
    ca_shown(at, *ENDING.bundle)
    at.key_ready()
    at.built()
    at.give(ev.ReplyIssued(reply_der=b"reply", certificates_der=(short,)))
    at.give(ev.CertificateInstalled())
    at.give(ev.KeyDeleted(key_id="key"))
    assert machine.active is not None
    end = machine.active.not_after
    assert machine.switch_at is not None
    assert end < machine.switch_at
    while machine.awaited is not Awaited.INSTALLATION and at.now < end:
        at.wake()
        if any(isinstance(command, FetchNextCa) for command in at.commands):
            at.give(next_ca_received())
        elif any(isinstance(command, FetchCa) for command in at.commands):
            at.give(UNREACHABLE)
    assert at.now == end
    assert at.ids() == ["rollover.switched", "certificate.accepted"]


def refused_by_consumers(*, is_undone: bool = True) -> Stage:
    """Beside the kept certificate a renewed one, which its consumers do not take."""
    at = ready()
    at.machine.set_policy(replace(at.machine.policy, hands_over=True))
    at.give(ev.RenewRequested())
    ca_shown(at, *ENDING.bundle)
    at.key_ready()
    at.built()
    at.issued()
    at.give(ev.CertificateInstalled())
    at.give(ev.HandOffFailed(reason="stuck", may_pass=False, is_undone=is_undone))
    assert at.state is State.FAILED
    assert at.machine.successor is not None
    return at


def test_one_that_waits_for_its_consumers_keeps_its_key_when_the_kept_one_goes() -> None:
    """An operator authenticates, then cancels: the snapshot can be read, one key is deleted."""
    at = refused_by_consumers()
    at.give(ev.AuthenticateRequested())
    ca_shown(at, *ENDING.bundle)
    assert at.state is State.ROLLOVER
    at.give(ev.EnrollmentCancelled())
    assert at.ids() == ["rollover.shadow-cancelled", "key.retired"]
    assert at.one(DeleteKey).key_id == "key.2"
    assert at.machine.successor is not None
    assert at.machine.new_key is not None
    assert at.machine.new_key.key_id == at.machine.successor.key_id
    read_snapshot(at.machine.snapshot())


@pytest.mark.parametrize("is_undone", [True, False])
def test_the_kept_one_takes_the_place_of_one_that_waits(*, is_undone: bool) -> None:
    """Its key goes, but not by a restart while a consumer may be using it."""
    at = refused_by_consumers(is_undone=is_undone)
    at.give(ev.AuthenticateRequested())
    ca_shown(at, *FOLLOWING.bundle, *ENDING.bundle)
    assert at.ids()[0] == "rollover.switched"
    assert at.machine.successor is None
    assert at.machine.retired_keys == ("key.3",)
    at.give(ev.Restarted())
    deleted = [command for command in at.commands if isinstance(command, DeleteKey)]
    assert bool(deleted) is is_undone
    at.give(ev.CertificateInstalled())
    at.give(ev.HandedOver(proof="the tunnel is up"))
    assert at.machine.active is not None
    assert at.machine.active.key_id == "key.2"
    assert at.one(DeleteKey).key_id == "key.3"
    assert set(at.machine.retired_keys) == {"key", "key.3"}


@pytest.mark.parametrize("has_challenge", [True, False])
def test_off_beyond_the_end_it_needs_no_enrollment(*, has_challenge: bool) -> None:
    """Who wants a certificate then gets the kept one, as long as that has not ended itself."""
    at = ready()
    machine = at.machine
    assert machine.active is not None
    assert machine.shadow is not None
    end, last = machine.active.not_after, machine.shadow.not_after
    at.now = end + DAY
    at.give(ev.Restarted())
    at.give(ev.EnrollRequested(has_challenge=has_challenge))
    assert at.ids() == ["rollover.switched", "certificate.accepted"]
    at = ready()
    at.now = last
    at.give(ev.Restarted())
    at.give(ev.EnrollRequested(has_challenge=has_challenge))
    assert at.state is (State.CA_FETCH if has_challenge else State.NEEDS_CHALLENGE)


def test_a_question_of_a_clock_that_was_ahead_is_asked_again_by_a_running_agent() -> None:
    """A fresh certificate takes that clock back, also while its consumers refuse it."""
    at = Stage(policy=policy(pin=ENDING.pin(), hands_over=True), pki=ENDING).to_sent()
    at.issued()
    at.give(ev.CertificateInstalled())
    at.give(ev.HandedOver(proof="the tunnel is up"))
    begin = at.now
    at.wake()
    at.give(ev.NextCaAbsent())
    at.now = begin + DAY
    at.give(ev.RenewRequested())
    ca_shown(at, *ENDING.bundle)
    at.key_ready()
    at.built()
    at.issued()
    at.give(ev.CertificateInstalled())
    at.give(ev.HandOffFailed(reason="stuck", may_pass=False))
    deadline = at.machine.next_deadline()
    at.restart()
    assert at.machine.next_deadline() == deadline


def test_a_pause_of_a_clock_that_was_ahead_does_not_last() -> None:
    """Refused weeks ahead of the time, the request is made again after one interval at most."""
    at = asked()
    real = at.now
    assert at.machine.renewal_at is not None
    at.now = at.machine.renewal_at - timedelta(hours=3)
    at.give(REJECTED)
    at.now = real
    at.give(ev.DeadlineReached())
    assert at.machine.shadow_at is not None
    assert at.machine.shadow_at <= real + 2 * DAY


def test_the_operator_goes_first_also_without_a_challenge() -> None:
    """While the next CA thinks: the attempt is given up, the password is asked for."""
    at = asked()
    at.give(ev.ReplyPending())
    at.give(ev.EnrollRequested(has_challenge=False))
    assert at.state is State.NEEDS_CHALLENGE
    assert at.machine.goal is Goal.ENROLL


def test_an_attempt_that_is_wanted_no_more_ends_at_the_next_moment() -> None:
    """Mode off from now on: nothing more is asked of the next CA."""
    at = asked()
    at.give(ev.ReplyPending())
    at.machine.set_policy(
        replace(at.machine.policy, rollover=RolloverPolicy(mode=RolloverMode.OFF))
    )
    at.wake()
    assert at.state is State.ROLLOVER
    assert at.ids() == ["rollover.shadow-failed"]


@pytest.mark.parametrize("failed", [False, True], ids=["pending", "unanswered poll"])
def test_an_attempt_whose_time_ran_out_while_the_device_slept_is_over(*, failed: bool) -> None:
    """Polling is bounded; the certificate in use goes on, another attempt follows later."""
    at = asked(poll=PollPolicy(max_wait_s=600.0))
    at.give(ev.ReplyPending())
    if failed:
        at.wake()
        at.built()
        at.give(UNREACHABLE)
    at.now += timedelta(hours=1)
    at.give(ev.DeadlineReached())
    assert at.state is State.ROLLOVER
    assert at.ids() == ["rollover.shadow-failed"]


def test_no_renewal_with_a_certificate_that_has_ended() -> None:
    """While the next CA thinks, neither."""
    at = asked()
    at.give(ev.ReplyPending())
    assert at.machine.active is not None
    at.now = at.machine.active.not_after
    with pytest.raises(IllegalEventError):
        at.give(ev.RenewRequested())
