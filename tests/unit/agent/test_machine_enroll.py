"""From the wish for a certificate to the active one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import (
    BuildRequest,
    FetchCa,
    GenerateKey,
    InstallCertificate,
    Notify,
    Record,
    SendRequest,
)
from sceplab_agent.core.errors import IllegalEventError
from sceplab_agent.core.model import Awaited
from sceplab_agent.core.policy import RetryPolicy
from sceplab_agent.core.states import State
from sceplab_scep.attributes import MessageType
from tests.support.core import (
    LIFETIME,
    OTHER_PKI,
    PKI,
    SUBJECT,
    Stage,
    device_key,
    policy,
    self_signed,
    spki,
)


@pytest.mark.covers("C-02", "T-47")
def test_every_enrollment_begins_with_getcacert() -> None:
    """Even with the CA pinned, its certificates are fetched again before the key is asked for."""
    stage = Stage().to_pinned()
    stage.give(ev.EnrollRequested())
    assert stage.state is State.CA_FETCH
    stage.one(FetchCa)
    stage.ca_received()
    assert stage.state is State.KEYGEN


def test_enrolling_needs_no_authentication_before() -> None:
    """A pinned trustpoint enrolls from CONFIGURED in one go."""
    stage = Stage()
    stage.give(ev.TrustpointConfigured())
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    assert stage.state is State.KEYGEN
    assert stage.one(GenerateKey).key_id == "key"


@pytest.mark.parametrize(("key_id", "expected"), [("label", "label"), ("", "tp")])
def test_the_key_has_a_foreseeable_name(key_id: str, expected: str) -> None:
    """The configured name, or the trustpoint's."""
    stage = Stage(policy=policy(key_id=key_id)).to_pinned()
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    assert stage.one(GenerateKey).key_id == expected


@pytest.mark.covers("C-10", "C-45")
def test_the_request_is_recorded_byte_for_byte_before_it_leaves() -> None:
    """The record in front of SendRequest holds transactionID, nonce, digest, message, signer."""
    stage = Stage().to_pinned()
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    stage.key_ready()
    request = stage.one(BuildRequest)
    assert request.message_type is MessageType.PKCS_REQ
    assert request.include_challenge
    assert request.signer_certificate_der is None
    assert request.signer_key_id == request.key_id == "key"
    stage.built()
    record, send = stage.commands
    assert isinstance(record, Record)
    assert isinstance(send, SendRequest)
    stored = record.snapshot["transaction"]
    assert isinstance(stored, dict)
    assert stored["transaction_id"] == send.transaction_id == request.transaction_id
    assert stored["sent"]["digest"] == record.details["digest_sha256"]
    restored = Stage()
    restored.log = stage.log
    restored.restart()
    transaction = restored.machine.transaction
    assert transaction is not None
    assert transaction.sent is not None
    assert transaction.sent.message_der == send.message_der
    assert transaction.sent.sender_nonce == send.sender_nonce
    assert transaction.signer_certificate_der == send.signer_certificate_der


@pytest.mark.covers("C-40")
def test_replies_are_judged_by_the_certificates_fetched_before() -> None:
    """SendRequest carries the pinned signers and the transport the capabilities allow."""
    stage = Stage().to_sent()
    send = stage.one(SendRequest)
    assert stage.machine.ca is not None
    assert send.trusted_signers_der == stage.machine.ca.signers_der
    assert PKI.bundle[0] in send.trusted_signers_der
    assert send.use_post


@pytest.mark.covers("A9", "C-45")
def test_an_issued_certificate_is_kept_judged_installed() -> None:
    """Raw reply recorded, certificate accepted and recorded, installed, active."""
    stage = Stage().to_sent()
    stage.issued()
    assert stage.state is State.ISSUED_UNVERIFIED
    assert stage.ids() == ["enrollment.issued", "certificate.accepted"]
    install = stage.one(InstallCertificate)
    assert install.generation == 1
    assert install.key_id == "key"
    assert install.chain_der == (PKI.anchor_der,)
    assert stage.machine.active is None
    stage.give(ev.CertificateInstalled())
    assert stage.state is State.INSTALLED
    active = stage.machine.active
    assert active is not None
    assert active.certificate_der == install.certificate_der
    assert active.public_key_der == spki(device_key("key"))
    assert stage.machine.transaction is None
    assert stage.machine.new_key is None
    assert stage.machine.failure is None


@pytest.mark.covers("C-42")
def test_the_newest_certificate_with_our_key_is_taken() -> None:
    """Position in the reply does not count."""
    stage = Stage().to_sent()
    older = PKI.issue(device_key("key"), at=stage.now - timedelta(days=1))
    newer = PKI.issue(device_key("key"), at=stage.now)
    foreign = PKI.issue(device_key("foreign"), at=stage.now)
    stage.issued(foreign, older, newer, PKI.anchor_der)
    assert stage.one(InstallCertificate).certificate_der == newer


def _another_subject() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "svc-ndes")])
    return PKI.issue(device_key("key"), subject=name)


@pytest.mark.covers("C-42", "C-43", "H6")
@pytest.mark.parametrize(
    ("certificate", "cause", "words"),
    [
        (lambda: PKI.issue(device_key("foreign")), ev.FailureCause.PEER, "our public key"),
        (lambda: OTHER_PKI.issue(device_key("key")), ev.FailureCause.TRUST, "does not chain"),
        (_another_subject, ev.FailureCause.PEER, "svc-ndes"),
        (
            lambda: PKI.issue(device_key("key"), at=Stage().now + timedelta(days=2)),
            ev.FailureCause.PEER,
            "not valid now",
        ),
        (
            lambda: PKI.issue(device_key("key"), at=Stage().now - 2 * LIFETIME),
            ev.FailureCause.PEER,
            "not valid now",
        ),
        (lambda: b"no certificate", ev.FailureCause.PEER, "our public key"),
    ],
    ids=["foreign key", "foreign CA", "other subject", "future", "expired", "rubbish"],
)
def test_an_unfit_certificate_is_never_installed(
    certificate: Callable[[], bytes], cause: ev.FailureCause, words: str
) -> None:
    """What fails the checks ends a first enrollment, with the reason in the view."""
    stage = Stage().to_sent()
    stage.issued(certificate())
    assert stage.state is State.FAILED
    assert not any(isinstance(command, InstallCertificate) for command in stage.log)
    failure = stage.machine.failure
    assert failure is not None
    assert failure.cause is cause
    assert words in failure.reason
    assert stage.machine.active is None


def test_a_clock_a_little_behind_is_tolerated() -> None:
    """The skew of the policy applies to the start of the validity."""
    stage = Stage().to_sent()
    stage.issued(PKI.issue(device_key("key"), at=stage.now + timedelta(seconds=200)))
    assert stage.state is State.ISSUED_UNVERIFIED


def test_a_failed_key_store_is_asked_again_then_given_up() -> None:
    """Bounded attempts, cause KEY_STORE; the wish for the key is recorded each time."""
    stage = Stage(policy=policy(retry=RetryPolicy(max_attempts=3))).to_pinned()
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    for _ in range(2):
        stage.give(ev.KeyFailed(reason="token locked"))
        assert stage.state is State.RETRY_WAIT
        stage.wake()
        assert stage.state is State.KEYGEN
        assert stage.one(GenerateKey).key_id == "key"
    stage.give(ev.KeyFailed(reason="token locked"))
    assert stage.state is State.FAILED
    assert stage.machine.failure is not None
    assert stage.machine.failure.cause is ev.FailureCause.KEY_STORE


def test_a_key_that_was_not_asked_for_is_illegal() -> None:
    """An answer about another key changes nothing."""
    stage = Stage().to_pinned()
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    with pytest.raises(IllegalEventError, match="is_expected_key"):
        stage.give(ev.KeyReady(key_id="other", public_key_der=b""))
    assert stage.state is State.KEYGEN


def test_a_request_that_cannot_be_built_fails_or_waits_by_cause() -> None:
    """Configuration does not mend itself, a token may."""
    stage = Stage().to_pinned()
    stage.give(ev.EnrollRequested())
    stage.ca_received()
    stage.key_ready()
    stage.give(ev.RequestFailed(cause=ev.FailureCause.KEY_STORE, reason="locked"))
    assert stage.state is State.RETRY_WAIT
    stage.wake()
    assert stage.state is State.REQUESTING
    assert stage.one(BuildRequest).transaction_id == "T1"
    stage.give(ev.RequestFailed(cause=ev.FailureCause.CONFIGURATION, reason="below the floor"))
    assert stage.state is State.FAILED
    assert stage.machine.failure is not None
    assert stage.machine.failure.cause is ev.FailureCause.CONFIGURATION


def test_without_a_challenge_at_hand_the_operator_is_waited_for() -> None:
    """A first enrollment that needs a challenge does not start without one."""
    stage = Stage().to_pinned()
    stage.give(ev.EnrollRequested(has_challenge=False))
    assert stage.state is State.NEEDS_CHALLENGE
    assert stage.ids() == ["challenge.needed"]
    assert stage.ids(Notify) == ["operator.needed"]
    stage.give(ev.ChallengeProvided())
    assert stage.state is State.CA_FETCH
    stage.ca_received()
    stage.key_ready()
    assert stage.one(BuildRequest).include_challenge


def test_a_trustpoint_without_challenge_never_asks() -> None:
    """``uses_challenge = false``: approval by hand, no password anywhere."""
    stage = Stage(policy=policy(uses_challenge=False)).to_pinned()
    stage.give(ev.EnrollRequested(has_challenge=False))
    stage.ca_received()
    stage.key_ready()
    assert not stage.one(BuildRequest).include_challenge


def test_a_failed_installation_is_repeated_with_the_same_certificate() -> None:
    """The certificate is there and the challenge is spent: install again, then give up."""
    stage = Stage(policy=policy(retry=RetryPolicy(max_attempts=2))).to_sent()
    stage.issued()
    first = stage.one(InstallCertificate)
    stage.give(ev.InstallFailed(reason="disk full"))
    assert stage.state is State.RETRY_WAIT
    stage.wake()
    assert stage.state is State.ISSUED_UNVERIFIED
    assert stage.one(InstallCertificate) == first
    stage.give(ev.InstallFailed(reason="disk full"))
    assert stage.state is State.FAILED
    assert stage.machine.active is None


@pytest.mark.covers("C-15")
def test_every_new_request_has_its_own_transaction_id() -> None:
    """A second enrollment does not use the first one's transactionID, but its key."""
    stage = Stage().to_sent()
    stage.issued(PKI.issue(device_key("foreign")))
    stage.to_sent()
    sent = [command for command in stage.log if isinstance(command, SendRequest)]
    assert [command.transaction_id for command in sent] == ["T1", "T2"]
    keys = [command.key_id for command in stage.log if isinstance(command, GenerateKey)]
    assert keys == ["key", "key"]


def test_an_installed_trustpoint_can_be_enrolled_again() -> None:
    """A new first-form request under a new key; the old certificate stays until the end."""
    stage = Stage().to_installed()
    before = stage.machine.active
    stage.to_sent()
    assert stage.machine.active == before
    request = [command for command in stage.log if isinstance(command, BuildRequest)][-1]
    assert request.message_type is MessageType.PKCS_REQ
    assert request.key_id == request.signer_key_id == "key.2"
    assert request.subject_certificate_der is None
    assert stage.one(SendRequest).signer_certificate_der == self_signed("key.2")
    stage.issued()
    stage.give(ev.CertificateInstalled())
    assert stage.machine.active is not None
    assert stage.machine.active.generation == 2
    assert stage.machine.active.subject == SUBJECT.rfc4514_string()


def test_a_refused_re_enrollment_keeps_the_old_certificate_and_its_renewal() -> None:
    """FAILED is about the attempt: the certificate in use is still renewed in time."""
    stage = Stage().to_installed()
    due = stage.machine.next_deadline()
    stage.to_sent()
    stage.issued(PKI.issue(device_key("foreign")))
    assert stage.state is State.FAILED
    assert stage.machine.active is not None
    assert stage.machine.next_deadline() == due
    stage.wake()
    assert stage.state is State.RENEW_DUE


def test_only_one_answer_is_outstanding() -> None:
    """What is awaited is visible, and nothing else is accepted."""
    stage = Stage().to_sent()
    assert stage.machine.awaited is Awaited.REPLY
    for event in (ev.EnrollRequested(), ev.RenewRequested(), ev.CertificateInstalled()):
        with pytest.raises(IllegalEventError):
            stage.give(event)
