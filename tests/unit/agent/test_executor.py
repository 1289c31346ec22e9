"""Commands carried out: in which order, and what each failure becomes."""

from __future__ import annotations

import base64
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.core.commands import InstallCertificate, Record
from sceplab_agent.core.events import (
    EnrollmentCancelled,
    EnrollRequested,
    FailureCause,
    RenewRequested,
)
from sceplab_agent.core.policy import RenewalPolicy
from sceplab_agent.core.states import State
from sceplab_agent.errors import InstallError, JournalError, TransportError
from sceplab_agent.journal import JournalEntry, MemoryJournal
from sceplab_agent.journal_sqlite import SqliteJournal
from sceplab_agent.transport import HttpResponse
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import (
    KeyNotFoundError,
    SecretUnavailableError,
    StoreLockedError,
    StoreUnavailableError,
)
from sceplab_hsm.secret import Secret
from sceplab_scep.algorithms import Digest, Floor
from sceplab_scep.attributes import MessageType
from sceplab_scep.messages import CertPoll, PkcsReq, RenewalReq
from tests.support.scripted_peer import (
    CHALLENGE,
    PASSPHRASE,
    URL,
    Agent,
    Received,
)


class ListJournal(MemoryJournal):
    """Writes each commit into a list that other hands write into as well."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self.log = log
        self.full_at = ""

    def commit(self, trustpoint: str, at: datetime, record: Record) -> JournalEntry:
        """See `Journal.commit`."""
        if record.event_id == self.full_at:
            raise JournalError("the disk is full")
        self.log.append(record.event_id)
        return super().commit(trustpoint, at, record)


def logged_agent(place: Path, log: list[str], **options: Any) -> Agent:
    """An agent whose journal, key store, peer and installer write into one log."""
    agent = Agent(place, journal=ListJournal(log), **options)
    store: Any = agent.store
    for name in ("generate", "delete"):
        _log_calls(store, name, log)
    _log_calls(agent.installer, "install", log)
    peer, real = agent.peer, agent.peer.request

    def request(method: str, url: str, **options: Any) -> HttpResponse:
        log.append(url.partition("operation=")[2].partition("&")[0])
        return real(method, url, **options)

    peer.request = request  # type: ignore[method-assign]
    return agent


def _log_calls(target: Any, name: str, log: list[str]) -> None:
    real = getattr(target, name)

    def call(*arguments: Any) -> Any:
        log.append(name)
        return real(*arguments)

    setattr(target, name, call)


@pytest.mark.covers("C-45", "A9", "A30")
def test_every_effect_stands_behind_its_record(tmp_path: Path) -> None:
    """The journal knows of key, request, installation and deletion before they happen."""
    log: list[str] = []
    agent = logged_agent(tmp_path, log)
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.INSTALLED
    assert log == [
        "trustpoint.configured",
        "enrollment.requested",
        "GetCACaps",
        "GetCACert",
        "ca.pinned",
        "enrollment.key",
        "generate",
        "enrollment.request",
        "PKIOperation",
        "enrollment.issued",
        "certificate.accepted",
        "install",
        "certificate.installed",
    ]
    log.clear()
    agent.driver.feed(RenewRequested())
    assert log[-5:] == [
        "install",
        "certificate.installed",
        "key.retired",
        "delete",
        "key.deleted",
    ]


@pytest.mark.covers("C-45")
@pytest.mark.parametrize(
    ("full_at", "must_not_happen"),
    [
        ("enrollment.key", "generate"),
        ("enrollment.request", "PKIOperation"),
        ("certificate.accepted", "install"),
    ],
)
def test_nothing_happens_behind_a_record_that_failed(
    tmp_path: Path, full_at: str, must_not_happen: str
) -> None:
    """When the journal cannot be written the effect behind it does not happen."""
    log: list[str] = []
    agent = logged_agent(tmp_path, log)
    assert isinstance(agent.journal, ListJournal)
    agent.journal.full_at = full_at
    with pytest.raises(JournalError, match="disk is full"):
        agent.driver.feed(EnrollRequested())
    assert must_not_happen not in log


@pytest.mark.covers("C-45")
def test_journal_holds_the_message_before_it_leaves(tmp_path: Path) -> None:
    """The request is in the stored snapshot byte for byte when the server sees it."""
    agent = Agent(tmp_path)
    found: list[bool] = []

    def look(received: Received) -> bytes:
        stored = agent.journal.snapshot("lab")
        assert stored is not None
        transaction: Any = stored.body["transaction"]
        found.append(transaction["transaction_id"] == received.request.transaction_id)
        found.append(base64.b64decode(transaction["sent"]["message"]) == received.body)
        return agent.peer.pend(received)

    agent.peer.plan(look)
    agent.driver.feed(EnrollRequested())
    assert found == [True, True]


@pytest.mark.covers("M-09", "C-05", "C-06", "C-09", "C-10", "F-07")
def test_first_request_is_what_the_rfc_asks_for(tmp_path: Path) -> None:
    """PKCSReq, signed with a self-signed certificate for the CSR's key and subject."""
    agent = Agent(tmp_path)
    agent.driver.feed(EnrollRequested())
    (received,) = agent.peer.received
    signer, csr = received.signed.signer_certificate, received.csr
    assert isinstance(received.request, PkcsReq)
    assert signer is not None
    assert signer.subject == signer.issuer == csr.subject
    assert signer.public_key() == csr.public_key
    assert csr.challenge == CHALLENGE
    assert csr.is_signature_valid
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["router1.example.org"]
    assert received.signed.digest is csr.digest is Digest.SHA256
    assert agent.peer.methods == ["GET", "GET", "POST"]
    assert agent.peer.urls[2] == f"{URL}?operation=PKIOperation"


@pytest.mark.covers("C-07", "C-09", "C-10", "C-11")
def test_renewal_request_is_signed_by_the_old_certificate(tmp_path: Path) -> None:
    """RenewalReq: old key outside, new key inside, same names, no challenge."""
    agent = Agent(tmp_path)
    agent.driver.feed(EnrollRequested())
    first = agent.session.machine.active
    assert first is not None
    agent.driver.feed(RenewRequested())
    received = agent.peer.received[-1]
    signer, csr = received.signed.signer_certificate, received.csr
    assert isinstance(received.request, RenewalReq)
    assert signer is not None
    assert signer.public_bytes(Encoding.DER) == first.certificate_der
    assert csr.public_key_der != first.public_key_der
    assert csr.subject == signer.subject
    assert csr.challenge is None
    assert agent.state is State.INSTALLED


@pytest.mark.covers("T-24")
def test_renewal_may_carry_the_challenge(tmp_path: Path) -> None:
    """Servers that ask for it again get it when the policy says so."""
    agent = Agent(tmp_path, policy={"renewal": RenewalPolicy(send_challenge=True)})
    agent.driver.feed(EnrollRequested())
    agent.driver.feed(RenewRequested())
    assert agent.peer.received[-1].csr.challenge == CHALLENGE


@pytest.mark.covers("C-15", "C-16", "M-10")
def test_poll_names_ca_and_subject(tmp_path: Path) -> None:
    """CertPoll: same transaction, fresh nonce, same signer, the CA's subject as issuer."""
    agent = Agent(tmp_path)
    agent.peer.plan(agent.peer.pend)
    agent.driver.feed(EnrollRequested())
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    request, poll = agent.peer.received
    assert isinstance(poll.request, CertPoll)
    assert poll.request.transaction_id == request.request.transaction_id
    assert poll.request.sender_nonce != request.request.sender_nonce
    assert poll.request.issuer == agent.peer.authority.root.certificate.subject
    assert poll.request.subject == request.csr.subject
    assert poll.signed.signer_certificate == request.signed.signer_certificate
    assert poll.signed.message_type is MessageType.CERT_POLL


def test_ip_addresses_stand_next_to_dns_names(tmp_path: Path) -> None:
    """Both kinds of names share one extension."""
    agent = Agent(tmp_path, config={"ip_addresses": (ip_address("192.0.2.7"),)})
    agent.driver.feed(EnrollRequested())
    names = agent.peer.received[0].csr.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.IPAddress) == [ip_address("192.0.2.7")]
    assert names.value.get_values_for_type(x509.DNSName) == ["router1.example.org"]


def test_digest_can_be_configured(tmp_path: Path) -> None:
    """A configured digest is used for message and CSR."""
    agent = Agent(tmp_path, config={"digest": Digest.SHA512})
    agent.driver.feed(EnrollRequested())
    received = agent.peer.received[0]
    assert received.signed.digest is received.csr.digest is Digest.SHA512


def test_configured_digest_below_the_floor_is_refused(tmp_path: Path) -> None:
    """A digest the floor forbids is a configuration fault that names the floor."""
    agent = Agent(tmp_path, config={"digest": Digest.SHA1})
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert failure is not None
    assert failure.cause is FailureCause.CONFIGURATION
    assert "sha1" in failure.reason
    assert "'ndes'" in failure.reason
    assert agent.peer.received == []


def test_message_goes_by_get_when_post_is_not_offered(tmp_path: Path) -> None:
    """Without POST among the capabilities the message travels in the URL."""
    agent = Agent(tmp_path, policy={"floor": Floor.NDES})
    agent.peer.capabilities = b"AES\nSHA-256\n"
    agent.driver.feed(EnrollRequested())
    assert agent.peer.methods == ["GET", "GET", "GET"]
    assert agent.state is State.INSTALLED


def test_challenge_is_asked_for_at_the_last_moment(tmp_path: Path) -> None:
    """The reference is followed when a request is built, and only for a request."""
    asked: list[int] = []

    def resolve() -> Secret:
        asked.append(len(agent.peer.methods))
        return Secret(CHALLENGE)

    agent = Agent(tmp_path, challenge=ChallengeSource(resolve, is_interactive=True))
    agent.peer.plan(agent.peer.pend)
    agent.driver.feed(EnrollRequested())
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    agent.driver.feed(RenewRequested())
    assert asked == [2]


def test_challenge_that_is_not_there_is_a_configuration_fault(tmp_path: Path) -> None:
    """A dangling reference stops the request and is named."""

    def resolve() -> Secret:
        raise SecretUnavailableError("environment variable OTP is not set")

    agent = Agent(tmp_path, challenge=ChallengeSource(resolve))
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert agent.state is State.FAILED
    assert failure is not None
    assert failure.cause is FailureCause.CONFIGURATION
    assert "OTP is not set" in failure.reason
    assert agent.peer.received == []


def test_ec_key_cannot_receive_the_reply(tmp_path: Path) -> None:
    """A key that cannot decrypt stops before anything is sent, with the reason."""
    agent = Agent(tmp_path, policy={"key_id": "elliptic"})
    agent.store.generate("elliptic", KeyAlgorithm.EC_P256)
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert failure is not None
    assert failure.cause is FailureCause.CONFIGURATION
    assert "RSA" in failure.reason
    assert agent.peer.received == []


def test_existing_key_is_used_again(tmp_path: Path) -> None:
    """A key that bears the name already is taken, not replaced."""
    agent = Agent(tmp_path, policy={"key_id": "mine"})
    before = agent.store.generate("mine", KeyAlgorithm.RSA_2048)
    agent.driver.feed(EnrollRequested())
    assert agent.peer.received[0].csr.public_key == before.public_key


def test_key_store_that_fails_is_tried_again(tmp_path: Path) -> None:
    """A store that is gone for a while is a key store fault that may pass."""
    agent = Agent(tmp_path)
    real = agent.store.get

    def gone(key_id: str) -> Any:
        raise StoreUnavailableError("the token is not plugged in")

    agent.store.get = gone  # type: ignore[method-assign]
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert agent.state is State.RETRY_WAIT
    assert failure is not None
    assert failure.cause is FailureCause.KEY_STORE
    agent.store.get = real  # type: ignore[method-assign]
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    assert agent.state is State.INSTALLED


def test_request_is_not_sent_when_nobody_could_open_the_reply(tmp_path: Path) -> None:
    """The key is looked up before the message leaves."""
    agent = Agent(tmp_path)
    agent.peer.plan(agent.peer.pend)
    agent.driver.feed(EnrollRequested())

    def gone(key_id: str) -> Any:
        raise StoreUnavailableError("the token is not plugged in")

    sent = len(agent.peer.received)
    agent.store.get = gone  # type: ignore[method-assign]
    agent.driver.step()
    agent.driver.step()
    assert len(agent.peer.received) == sent
    failure = agent.session.machine.failure
    assert failure is not None
    assert failure.cause is FailureCause.KEY_STORE


@pytest.mark.parametrize("moment", ["key", "request"])
def test_what_stays_wrong_is_not_tried_again(tmp_path: Path, moment: str) -> None:
    """A wrong PIN ends the enrollment at once: every further try might lock the token."""
    agent = Agent(tmp_path)
    tries: list[str] = []
    real = agent.store.get

    def get(key_id: str) -> Any:
        tries.append(key_id)
        if moment == "key" or len(tries) > 1:
            raise StoreLockedError("the PIN is wrong")
        try:
            return real(key_id)
        except KeyNotFoundError:
            agent.store.generate(key_id, KeyAlgorithm.RSA_2048)
            return real(key_id)

    agent.store.get = get  # type: ignore[method-assign]
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.FAILED
    assert len(tries) == (1 if moment == "key" else 2)


def test_key_in_use_is_never_made_anew(tmp_path: Path) -> None:
    """A renewal with the same key finds it or waits; another key under its name would hide it."""
    agent = Agent(tmp_path, policy={"renewal": RenewalPolicy(new_key=False)})
    agent.driver.feed(EnrollRequested())
    agent.store.delete("lab")
    agent.driver.feed(RenewRequested())
    assert agent.state is State.RETRY_WAIT
    assert agent.store.list_keys() == []
    failure = agent.session.machine.failure
    assert failure is not None
    assert failure.cause is FailureCause.KEY_STORE
    assert "lost its key" in failure.reason


def test_server_that_is_away_is_tried_again(tmp_path: Path) -> None:
    """A refused connection is repeated; the same bytes go out again."""
    agent = Agent(tmp_path)
    agent.peer.plan(TransportError("connection refused", is_retryable=True))
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.RETRY_WAIT
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    first, second = agent.peer.received
    assert first.body == second.body


def test_status_404_is_not_tried_again(tmp_path: Path) -> None:
    """A wrong path is a configuration fault at once."""
    agent = Agent(tmp_path)
    agent.peer.ca_reply = HttpResponse(status=404)
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert agent.state is State.FAILED
    assert failure is not None
    assert failure.cause is FailureCause.CONFIGURATION


class FullDisk:
    """An installer that fails a number of times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.installed: list[InstallCertificate] = []

    def install(self, trustpoint: str, command: InstallCertificate) -> None:
        """See `CertificateInstaller.install`."""
        if self.failures:
            self.failures -= 1
            raise InstallError("no space left")
        self.installed.append(command)


def test_installation_is_tried_again_without_a_new_request(tmp_path: Path) -> None:
    """A full disk costs no second certificate."""
    installer = FullDisk(failures=2)
    agent = Agent(tmp_path, installer=installer)
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.RETRY_WAIT
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    assert len(agent.peer.received) == 1
    assert len(installer.installed) == 1


def test_cancelled_enrollment_leaves_no_key(tmp_path: Path) -> None:
    """Giving up deletes the key that was made for it; deleting twice is harmless."""
    agent = Agent(tmp_path)
    agent.peer.plan(agent.peer.pend)
    agent.driver.feed(EnrollRequested())
    assert [key.key_id for key in agent.store.list_keys()] == ["lab"]
    agent.store.delete("lab")
    agent.driver.feed(EnrollmentCancelled())
    assert agent.store.list_keys() == []
    assert agent.session.machine.retired_keys == ()


def test_restart_in_pending_goes_on_with_the_same_transaction(tmp_path: Path) -> None:
    """A new process polls the transaction the old one opened."""
    agent = Agent(tmp_path)
    agent.peer.plan(agent.peer.pend)
    agent.driver.feed(EnrollRequested())
    agent.restart()
    assert agent.state is State.PENDING
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    ids = {received.request.transaction_id for received in agent.peer.received}
    assert len(ids) == 1
    assert len(agent.store.list_keys()) == 1


def test_nothing_secret_reaches_the_disk(tmp_path: Path) -> None:
    """Challenge and passphrase stand in no file: not in the journal, not among the keys."""
    journal = SqliteJournal.create_or_open(tmp_path / "journal.sqlite3")
    agent = Agent(tmp_path, journal=journal)
    text = f"bad {CHALLENGE}"
    agent.peer.plan(
        agent.peer.pend,
        lambda received: agent.peer.refuse(received, fail_info_text=text),
    )
    agent.driver.feed(EnrollRequested())
    agent.driver.run_until(lambda session: session.state is not State.PENDING)
    assert agent.state is not State.INSTALLED
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    journal.close()
    assert b"enrollment.pending" in content
    for secret in (CHALLENGE, PASSPHRASE):
        assert secret.encode() not in content
        assert secret.encode("utf-16-le") not in content
    assert not any(CHALLENGE in repr(notice) for notice in agent.diary.notices)
