"""Replacing a certificate before it ends."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import (
    BuildRequest,
    DeleteKey,
    GenerateKey,
    InstallCertificate,
    Notify,
    Record,
    SendRequest,
)
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.policy import (
    AfterExpiry,
    PollPolicy,
    RenewalPolicy,
    RetryPolicy,
    UnpinnedCa,
)
from sceplab_agent.core.states import State
from sceplab_scep.attributes import MessageType
from sceplab_scep.capabilities import NO_CAPABILITIES, Capabilities
from tests.support.core import (
    FORGED,
    FULL,
    LIFETIME,
    NO_RENEWAL,
    OTHER_PKI,
    PKI,
    REJECTED,
    T0,
    UNREACHABLE,
    Stage,
    device_key,
    policy,
)

HALF_WAY = policy(renewal=RenewalPolicy(at_share=0.5))
END = T0 + LIFETIME
LATE = RenewalPolicy(at_share=0.999, after_expiry=AfterExpiry.STOP)


def last_request(stage: Stage) -> BuildRequest:
    """The request that was built last."""
    return [command for command in stage.log if isinstance(command, BuildRequest)][-1]


@pytest.mark.covers("M1", "M8")
def test_the_whole_renewal() -> None:
    """At its moment: CA fetched, key made, renewed, installed, the old key deleted."""
    stage = Stage().to_installed()
    first = stage.machine.active
    assert first is not None
    assert stage.machine.next_deadline() == T0 + 0.7 * LIFETIME
    stage.wake()
    assert stage.state is State.RENEW_DUE
    stage.ca_received()
    assert stage.state is State.KEYGEN
    assert stage.one(GenerateKey).key_id == "key.2"
    stage.key_ready()
    stage.built()
    stage.issued()
    assert stage.one(InstallCertificate).generation == 2
    assert stage.machine.active == first
    stage.give(ev.CertificateInstalled())
    second = stage.machine.active
    assert second is not None
    assert second.generation == 2
    assert second.serial_number != first.serial_number
    assert second.public_key_der != first.public_key_der
    assert stage.ids() == ["certificate.installed", "key.retired"]
    assert isinstance(stage.commands[-1], DeleteKey)
    assert stage.one(DeleteKey).key_id == "key"
    stage.give(ev.KeyDeleted(key_id="key"))
    assert stage.machine.retired_keys == ()
    assert stage.machine.next_deadline() == stage.now + 0.7 * LIFETIME


@pytest.mark.covers("C-07", "C-10", "C-11", "M2", "M3")
def test_renewal_req_is_signed_with_the_old_certificate() -> None:
    """With Renewal listed: type 17, old key and certificate, subject from it, no challenge."""
    stage = Stage().to_renewal_sent()
    active = stage.machine.active
    assert active is not None
    request = last_request(stage)
    assert request.message_type is MessageType.RENEWAL_REQ
    assert request.key_id == "key.2"
    assert request.signer_key_id == "key"
    assert request.signer_certificate_der == active.certificate_der
    assert request.subject_certificate_der == active.certificate_der
    assert not request.include_challenge
    send = stage.one(SendRequest)
    assert send.message_type is MessageType.RENEWAL_REQ
    assert send.signer_key_id == "key"
    assert send.signer_certificate_der == active.certificate_der


@pytest.mark.covers("C-07")
def test_without_renewal_listed_the_first_form_is_used() -> None:
    """A CA that lists no Renewal gets a PKCSReq: new self-signed signer, challenge, old subject."""
    stage = Stage(capabilities=NO_RENEWAL).to_renewal_sent()
    request = last_request(stage)
    assert request.message_type is MessageType.PKCS_REQ
    assert request.signer_key_id == request.key_id == "key.2"
    assert request.signer_certificate_der is None
    assert request.subject_certificate_der is not None
    assert request.include_challenge


@pytest.mark.parametrize("capabilities", [NO_RENEWAL, FULL])
def test_the_implicit_form(capabilities: Capabilities) -> None:
    """``renewal.implicit``: PKCSReq signed with the old certificate, whatever the CA lists."""
    implicit = policy(renewal=RenewalPolicy(implicit=True))
    stage = Stage(policy=implicit, capabilities=capabilities).to_renewal_sent()
    request = last_request(stage)
    assert request.message_type is MessageType.PKCS_REQ
    assert request.signer_key_id == "key"
    assert request.key_id == "key.2"
    assert not request.include_challenge


@pytest.mark.covers("T-24")
def test_servers_that_want_the_challenge_again() -> None:
    """``renewal.send_challenge`` puts the challenge into the renewal."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(send_challenge=True))).to_renewal_sent()
    assert last_request(stage).message_type is MessageType.RENEWAL_REQ
    assert last_request(stage).include_challenge


def test_the_same_key_when_policy_says_so() -> None:
    """No new key: nothing is generated under a new name, nothing deleted afterwards."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(new_key=False))).to_renewal_sent()
    assert last_request(stage).key_id == "key"
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.machine.active is not None
    assert stage.machine.active.generation == 2
    assert stage.machine.active.key_id == "key"
    assert not any(isinstance(command, DeleteKey) for command in stage.log)


def test_a_store_that_lost_the_key_is_no_renewal() -> None:
    """The key to be used again is another one now: FAILED, cause KEY_STORE, nothing sent."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(new_key=False))).to_installed()
    stage.wake()
    stage.ca_received()
    sent = sum(isinstance(command, SendRequest) for command in stage.log)
    stage.give(ev.KeyReady(key_id="key", public_key_der=b"another"))
    assert stage.state is State.FAILED
    assert stage.machine.failure is not None
    assert stage.machine.failure.cause is ev.FailureCause.KEY_STORE
    assert sum(isinstance(command, SendRequest) for command in stage.log) == sent


def test_a_key_that_is_not_ours_is_never_deleted() -> None:
    """The operator's own key stays after it was replaced; later ones are ours."""
    stage = Stage(policy=policy(owns_key=False)).to_renewal_sent()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert not any(isinstance(command, DeleteKey) for command in stage.log)
    stage.wake()
    stage.through_request()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.one(DeleteKey).key_id == "key.2"


def test_a_key_that_cannot_be_deleted_is_tried_again() -> None:
    """It stays on the list, does not disturb, and goes with the next one."""
    stage = Stage().to_renewal_sent()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    stage.give(ev.KeyFailed(reason="busy", key_id="key"))
    assert stage.state is State.INSTALLED
    assert stage.ids(Notify) == ["key.kept"]
    assert stage.machine.retired_keys == ("key",)
    stage.wake()
    stage.through_request()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.one(DeleteKey).key_id == "key"
    stage.give(ev.KeyDeleted(key_id="key"))
    assert stage.one(DeleteKey).key_id == "key.2"
    stage.give(ev.KeyDeleted(key_id="key.2"))
    assert stage.machine.retired_keys == ()


@pytest.mark.covers("C-44", "T-27")
def test_the_old_certificate_again_is_no_renewal() -> None:
    """A reply with the certificate that is being replaced ends the renewal; the policy is named."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(new_key=False))).to_renewal_sent()
    active = stage.machine.active
    assert active is not None
    stage.issued(active.certificate_der)
    assert stage.state is State.FAILED
    failure = stage.machine.failure
    assert failure is not None
    assert "same serial number" in failure.reason
    assert failure.cause is ev.FailureCause.CONFIGURATION
    assert "renewal.new_key = true" in str(stage.one(Notify).details["next_step"])
    assert stage.machine.next_step == stage.one(Notify).details["next_step"]
    assert stage.machine.active == active
    # Not asked again before half of the rest is over.
    assert stage.machine.next_deadline() == stage.now + (active.not_after - stage.now) / 2
    stage.restart()
    assert stage.machine.next_step == stage.one(Notify).details["next_step"]
    stage.machine.set_policy(policy())
    stage.give(ev.RenewRequested())
    stage.ca_received()
    assert stage.one(GenerateKey).key_id == "key.2"


def test_a_serial_number_given_twice_does_not_lose_the_new_key() -> None:
    """The certificate is refused; its key is used again, and nothing is left behind."""
    stage = Stage().to_renewal_sent()
    assert stage.machine.active is not None
    key = stage.machine.new_key
    stage.issued(serial=stage.machine.active.serial_number)
    assert stage.state is State.FAILED
    assert stage.machine.new_key == key
    stage.give(ev.RenewRequested())
    stage.ca_received()
    assert key is not None
    assert stage.one(GenerateKey).key_id == key.key_id


def test_a_kept_key_in_use_gives_way_to_a_new_one() -> None:
    """With the policy changed between two rounds, the next one has a key of its own."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(new_key=False))).to_renewal_sent()
    stage.give(REJECTED)
    stage.machine.set_policy(policy())
    stage.wake()
    stage.ca_received()
    assert stage.one(GenerateKey).key_id == "key.2"


def test_capabilities_that_were_spoilt_once_are_asked_for_again() -> None:
    """A request that cannot be built with them makes a renewal fetch, not build, again."""
    stage = Stage().to_installed()
    stage.wake()
    stage.give(ev.CaCertificatesReceived(certificates_der=PKI.bundle, capabilities=NO_CAPABILITIES))
    stage.key_ready()
    stage.give(ev.RequestFailed(cause=ev.FailureCause.CONFIGURATION, reason="below the floor"))
    assert stage.state is State.RETRY_WAIT
    stage.wake()
    assert stage.state is State.RENEW_DUE
    stage.through_request()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.state is State.INSTALLED


@pytest.mark.parametrize(
    "trouble",
    [REJECTED, UNREACHABLE, FORGED, ev.ReplyIssued(reply_der=b"", certificates_der=())],
    ids=["refused", "unreachable", "forged", "no certificate"],
)
def test_a_renewal_is_tried_until_the_certificate_ends(trouble: ev.Event) -> None:
    """Growing waits, the certificate untouched, and FAILED only when it has ended."""
    tries = RetryPolicy(max_attempts=2)
    stage = Stage(policy=policy(retry=tries, renewal=LATE))
    stage.to_renewal_sent()
    active = stage.machine.active
    waits = []
    for _ in range(5000):
        if stage.state is State.FAILED:
            break
        if stage.state is State.REQUESTING:
            stage.give(trouble)
            waits.append(stage.machine.next_deadline() or stage.now)
            if stage.now >= END:
                break
            assert stage.state is State.RETRY_WAIT
        stage.wake()
        if stage.state is State.RENEW_DUE:
            stage.through_request()
        assert stage.machine.active == active
    assert stage.state is State.FAILED
    assert END <= stage.now <= END + timedelta(hours=1)
    gaps = [(late - early).total_seconds() for early, late in itertools.pairwise(waits)]
    assert gaps[0] < gaps[3] < gaps[5]
    stage.give(ev.DeadlineReached())
    assert stage.ids() in ([], ["certificate.expired"])
    assert stage.machine.next_deadline() is None


def test_an_ended_certificate_is_replaced_on_request_only() -> None:
    """After the end: FAILED, told once, no timer, RenewRequested illegal, EnrollRequested works."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(enabled=False))).to_installed()
    assert stage.machine.next_deadline() == END
    stage.wake()
    assert stage.state is State.FAILED
    assert stage.ids() == ["certificate.expired"]
    assert stage.ids(Notify) == ["operator.needed"]
    assert stage.machine.next_deadline() is None
    with pytest.raises(IllegalEventError, match="can_renew"):
        stage.give(ev.RenewRequested())
    stage.to_sent()
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.state is State.INSTALLED
    assert stage.machine.next_deadline() == stage.now + LIFETIME


def test_a_failure_does_not_make_a_due_renewal_spin() -> None:
    """A re-enrollment that fails when the renewal is already due leaves a pause."""
    stage = Stage().to_installed()
    stage.now = T0 + 0.8 * LIFETIME
    stage.to_sent()
    stage.give(REJECTED)
    assert stage.state is State.FAILED
    pause = timedelta(seconds=stage.policy.retry.backoff.ceiling_s)
    assert stage.machine.next_deadline() == stage.now + pause
    assert stage.give(ev.DeadlineReached(), after=pause / 2) == []
    stage.wake()
    assert stage.state is State.RENEW_DUE


def test_a_forged_reply_makes_a_renewal_begin_again() -> None:
    """What will not pass is not repeated: CA certificates and transaction are taken anew."""
    stage = Stage().to_renewal_sent()
    stage.give(FORGED)
    assert stage.state is State.RETRY_WAIT
    assert stage.machine.transaction is None
    stage.wake()
    assert stage.state is State.RENEW_DUE
    stage.through_request()
    assert stage.one(SendRequest).transaction_id == "T3"


def test_replies_of_a_stranger_make_a_renewal_fetch_the_ca_again() -> None:
    """One may be forged; as many as there are attempts say that the known signers are wrong."""
    stage = Stage(policy=policy(retry=RetryPolicy(max_attempts=3))).to_renewal_sent()
    stranger = ev.TransportFailed(
        cause=ev.FailureCause.TRUST, reason="signed by a stranger", is_retryable=True
    )
    for _ in range(2):
        stage.give(stranger)
        assert stage.machine.transaction is not None
        stage.wake()
    stage.give(stranger)
    assert stage.machine.transaction is None
    stage.wake()
    assert stage.state is State.RENEW_DUE


def test_a_device_that_slept_through_the_end() -> None:
    """Switched on after the end, the renewal timer reports the end instead of renewing."""
    stage = Stage().to_installed()
    stage.now = END + timedelta(days=1)
    stage.give(ev.DeadlineReached())
    assert stage.state is State.FAILED
    assert stage.ids() == ["certificate.expired"]


def test_a_clock_that_was_ahead_leaves_the_renewal_alive() -> None:
    """An end that a wrong clock reported is not the end, nor does its pause last for years."""
    stage = Stage().to_installed()
    stage.now = END + timedelta(days=4000)
    stage.give(ev.DeadlineReached())
    assert stage.ids() == ["certificate.expired"]
    stage.now = T0 + 0.6 * LIFETIME
    stage.give(ev.DeadlineReached())
    stage.wake()
    assert stage.state is State.RENEW_DUE
    assert stage.now == T0 + 0.7 * LIFETIME


def test_the_end_comes_while_waiting() -> None:
    """The wait of a renewal is cut short by the end of the certificate, and reported."""
    stage = Stage().to_renewal_sent()
    stage.give(REJECTED)
    stage.now = END
    stage.give(ev.DeadlineReached())
    assert stage.state is State.FAILED
    assert stage.machine.failure is not None
    assert stage.machine.failure.cause is ev.FailureCause.EXHAUSTED
    assert "badRequest" in stage.machine.failure.reason


def test_the_operator_may_renew_early() -> None:
    """RenewRequested starts at once, also while a retry waits."""
    stage = Stage().to_installed()
    stage.give(ev.RenewRequested())
    assert stage.state is State.RENEW_DUE
    stage.through_request()
    stage.give(REJECTED)
    assert stage.state is State.RETRY_WAIT
    stage.give(ev.RenewRequested())
    assert stage.state is State.RENEW_DUE


def test_renewal_switched_off_and_on() -> None:
    """A changed policy moves the timer at once."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(enabled=False))).to_installed()
    stage.machine.set_policy(HALF_WAY)
    stage.give(ev.TrustpointConfigured())
    assert stage.state is State.INSTALLED
    assert stage.machine.next_deadline() == T0 + 0.5 * LIFETIME


def test_a_changed_anchor_blocks_the_renewal_and_keeps_the_certificate() -> None:
    """A server of another CA gets no renewal; the certificate in use stays."""
    stage = Stage().to_installed()
    active = stage.machine.active
    stage.wake()
    stage.ca_received(OTHER_PKI)
    assert stage.state is State.BLOCKED
    assert stage.machine.active == active
    assert stage.machine.next_deadline() is None
    stage.give(ev.TrustpointConfigured())
    assert stage.state is State.INSTALLED
    stage.wake()
    assert stage.state is State.RENEW_DUE


def test_the_operator_looks_at_a_ca_in_the_middle_of_a_renewal() -> None:
    """With the old anchor forgotten, a renewal asks; accepting goes on, refusing blocks."""
    ask = policy(pin=None, unpinned_ca=UnpinnedCa.ASK)
    for answer, state in ((ev.CaAccepted(), State.KEYGEN), (ev.CaRefused(), State.BLOCKED)):
        stage = Stage().to_installed()
        stage.machine.set_policy(ask)
        stage.give(ev.AuthenticateRequested())
        stage.ca_received(OTHER_PKI)
        stage.give(ev.AuthenticateRequested())
        stage.give(UNREACHABLE)
        assert stage.state is State.INSTALLED
        assert stage.machine.ca is None
        stage.wake()
        stage.ca_received()
        assert stage.state is State.RENEW_DUE
        stage.give(answer)
        assert stage.state is state


@pytest.mark.covers("C-15")
def test_a_pending_renewal_polls_with_the_old_certificate() -> None:
    """Poll signer and recipient are those of the request (checklist 11)."""
    stage = Stage().to_renewal_sent()
    stage.give(ev.ReplyPending())
    stage.wake()
    poll = stage.one(BuildRequest)
    active = stage.machine.active
    assert active is not None
    assert poll.message_type is MessageType.CERT_POLL
    assert poll.signer_key_id == active.key_id
    assert poll.signer_certificate_der == active.certificate_der


def test_a_renewal_nobody_approves_begins_again() -> None:
    """Polls used up: a new transaction later, with the same key, while the certificate lives."""
    stage = Stage(policy=policy(poll=PollPolicy(max_polls=1))).to_renewal_sent()
    stage.give(ev.ReplyPending())
    stage.wake()
    stage.built()
    stage.give(ev.ReplyPending())
    assert stage.state is State.RETRY_WAIT
    assert stage.ids() == ["enrollment.expired"]
    stage.wake()
    assert stage.state is State.RENEW_DUE
    stage.through_request()
    assert stage.one(SendRequest).transaction_id == "T3"
    assert last_request(stage).key_id == "key.2"


def test_a_pending_renewal_outlives_the_certificate() -> None:
    """An approval that comes late still counts."""
    stage = Stage(policy=policy(renewal=RenewalPolicy(at_share=0.999))).to_renewal_sent()
    stage.now = END - timedelta(seconds=1)
    stage.give(ev.ReplyPending())
    stage.wake()
    assert stage.ids() == ["certificate.expired"]
    assert stage.state is State.PENDING
    stage.now = END + timedelta(hours=1)
    stage.give(ev.DeadlineReached())
    stage.built()
    stage.issued(PKI.issue(device_key("key.2"), at=stage.now))
    stage.give(ev.CertificateInstalled())
    assert stage.state is State.INSTALLED
    assert stage.machine.next_deadline() is not None


def test_a_renewal_waits_for_a_token_that_is_away() -> None:
    """Key store failures do not end a renewal either."""
    stage = Stage(policy=policy(retry=RetryPolicy(max_attempts=1))).to_installed()
    stage.wake()
    stage.ca_received()
    for _ in range(3):
        stage.give(ev.KeyFailed(reason="away"))
        assert stage.state is State.RETRY_WAIT
        stage.wake()
    stage.key_ready()
    stage.built()
    assert stage.state is State.REQUESTING


def test_the_record_of_a_new_certificate() -> None:
    """What a person reads in the journal."""
    stage = Stage().to_sent()
    stage.issued(serial=0xABC)
    stage.give(ev.CertificateInstalled())
    details = stage.one(Record).details
    assert details["serial_number"] == "ABC"
    assert details["generation"] == 1
    assert details["not_after"] == END.isoformat()


def test_a_new_key_that_is_gone_before_anything_was_sent_is_made_again() -> None:
    """A store put back from a copy lacks it; a message that was sent is never given up for that."""
    gone = ev.RequestFailed(cause=ev.FailureCause.KEY_STORE, reason="no key", is_retryable=False)
    stage = Stage().to_installed()
    stage.wake()
    stage.ca_received()
    stage.key_ready()
    stage.give(gone)
    assert stage.state is State.RETRY_WAIT
    stage.wake()
    stage.ca_received()
    assert stage.one(GenerateKey).key_id == "key.2"
    stage.key_ready()
    stage.built()
    sent = stage.one(SendRequest).transaction_id
    stage.give(ev.ReplyPending())
    stage.wake()
    stage.give(gone)
    stage.wake()
    assert stage.one(BuildRequest).transaction_id == sent
