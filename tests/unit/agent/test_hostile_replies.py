"""Replies that are forged, broken or meant for somebody else.

Each test states what the agent says about it and proves that nothing it trusts has changed: same
CA, no certificate, no installation, and no secret in anything it wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.core.commands import NoticeLevel
from sceplab_agent.core.events import EnrollRequested, FailureCause, RenewRequested
from sceplab_agent.core.states import State
from sceplab_agent.install import MemoryInstaller
from sceplab_agent.transport import HttpResponse
from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor
from sceplab_scep.attributes import FailInfo, PkiStatus
from sceplab_scep.degenerate import build_certs_only
from sceplab_scep.envelope import seal_envelope
from sceplab_scep.messages import CertRep
from sceplab_scep.ra_rule import RaRule
from sceplab_scep.reply import ReplyStyle
from sceplab_scep.signedattributes import reply_attributes
from sceplab_scep.signeddata import build_signed_data
from tests.support.scripted_peer import (
    AUTHORITY,
    CHALLENGE,
    PASSPHRASE,
    STRANGER,
    T0,
    YEAR,
    Agent,
    Authority,
    Identity,
    Received,
    ScriptedPeer,
    rsa_key,
)

Lie = Callable[[ScriptedPeer, Received], bytes | HttpResponse]


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """An agent with a planted challenge and passphrase."""
    return Agent(tmp_path)


def _self_made_signer(peer: ScriptedPeer, received: Received) -> bytes:
    # Same names and serial as the real RA, another key: only the signature tells.
    real = peer.authority.signing
    return peer.issue(received, signer=Identity(rsa_key("forger"), real.certificate))


def _stranger_signs(peer: ScriptedPeer, received: Received) -> bytes:
    return peer.issue(received, signer=STRANGER.signing)


def _wrong_nonce(peer: ScriptedPeer, received: Received) -> bytes:
    return peer.issue(received, recipient_nonce=b"\x00" * 16)


def _nonce_of_another_length(peer: ScriptedPeer, received: Received) -> bytes:
    return peer.issue(received, recipient_nonce=received.request.sender_nonce[:8])


def _wrong_transaction(peer: ScriptedPeer, received: Received) -> bytes:
    return peer.issue(received, transaction_id="0" * 32)


def _prefix_of_the_transaction(peer: ScriptedPeer, received: Received) -> bytes:
    return peer.issue(received, transaction_id=received.request.transaction_id[:-1])


def _encrypted_to_another(peer: ScriptedPeer, received: Received) -> bytes:
    return peer.issue(received, recipient=STRANGER.encryption.certificate)


def _truncated(peer: ScriptedPeer, received: Received) -> bytes:
    return peer.issue(received)[:-40]


def _flipped_bit(peer: ScriptedPeer, received: Received) -> bytes:
    reply = bytearray(peer.issue(received))
    reply[len(reply) // 4] ^= 1  # in the signed content; further on are certificates, unsigned
    return bytes(reply)


def _echo(peer: ScriptedPeer, received: Received) -> bytes:
    return received.body


def _bare_bundle(peer: ScriptedPeer, received: Received) -> bytes:
    return build_certs_only([peer.certificate_for(received)])


def _bare_envelope(peer: ScriptedPeer, received: Received) -> bytes:
    assert received.signed.signer_certificate is not None
    return seal_envelope(b"x", received.signed.signer_certificate, AlgorithmSuite())


def _page(peer: ScriptedPeer, received: Received) -> HttpResponse:
    body = b"\xef\xbb\xbf <!DOCTYPE html><html>Please log in</html>"
    return HttpResponse(status=200, content_type="application/x-pki-message", body=body)


def _nothing(peer: ScriptedPeer, received: Received) -> bytes:
    return b""


def _zero_bytes(peer: ScriptedPeer, received: Received) -> bytes:
    return bytes(300)


LIES: dict[str, tuple[Lie, str]] = {
    "forged signature": (_self_made_signer, "sign"),
    "wrong signer": (_stranger_signs, "sign"),
    "wrong nonce": (_wrong_nonce, "nonce"),
    "short nonce": (_nonce_of_another_length, "nonce"),
    "wrong transactionID": (_wrong_transaction, "for transaction"),
    "prefix of the transactionID": (_prefix_of_the_transaction, "for transaction"),
    "encrypted to someone else": (_encrypted_to_another, "envelope"),
    "truncated": (_truncated, ""),
    "flipped bit": (_flipped_bit, ""),
    "our own message": (_echo, ""),
    "certificates without a message": (_bare_bundle, ""),
    "envelope without a signature": (_bare_envelope, ""),
    "HTML": (_page, "web page"),
    "empty body": (_nothing, "empty"),
    "zero bytes": (_zero_bytes, ""),
}


class OneRa(Authority):
    """The scripted CA with one certificate in the place of both RAs."""

    def __init__(self, ra: Identity) -> None:
        super().__init__()
        # Cached properties of the class; a frozen dataclass still has a dictionary.
        self.__dict__["signing"] = self.__dict__["encryption"] = ra


def assert_nothing_trusted_changed(agent: Agent) -> None:
    """No certificate, no installation, the CA as pinned, no secret in anything written."""
    machine = agent.session.machine
    assert machine.active is None
    assert isinstance(agent.installer, MemoryInstaller)
    assert agent.installer.installed == {}
    if machine.ca is not None:
        assert machine.ca.anchor_der == AUTHORITY.root.certificate.public_bytes(Encoding.DER)
    assert_no_secret(agent)


def assert_no_secret(agent: Agent) -> None:
    """Challenge and passphrase stand in nothing the agent wrote or said."""
    written = agent.written()
    assert CHALLENGE not in written
    assert PASSPHRASE not in written


@pytest.mark.covers("C-17", "C-40", "C-41", "C-46", "T-15", "T-46")
@pytest.mark.parametrize("name", LIES)
def test_unusable_reply_is_retried_and_changes_nothing(agent: Agent, name: str) -> None:
    """What is no valid reply to us is tried again, and changes nothing.

    It is the peer's fault, but for a stranger's signature, which is a matter of trust.
    """
    lie, word = LIES[name]
    agent.peer.plan(lambda received: lie(agent.peer, received))
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert agent.state is State.RETRY_WAIT
    assert failure is not None
    assert failure.cause is (FailureCause.TRUST if name == "wrong signer" else FailureCause.PEER)
    assert word.lower() in failure.reason.lower()
    assert_nothing_trusted_changed(agent)


@pytest.mark.parametrize("name", ["wrong nonce", "HTML", "truncated"])
def test_honest_reply_to_the_retransmission_is_taken(agent: Agent, name: str) -> None:
    """After a bad reply the same bytes go out again, and the true answer counts."""
    lie, _ = LIES[name]
    agent.peer.plan(lambda received: lie(agent.peer, received))
    agent.driver.feed(EnrollRequested())
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)
    first, second = agent.peer.received
    assert first.body == second.body
    assert agent.state is State.INSTALLED
    assert_no_secret(agent)


@pytest.mark.covers("C-42")
def test_certificate_for_another_key_is_refused(agent: Agent) -> None:
    """A certificate whose key is not ours is not installed."""

    def foreign_key(received: Received) -> bytes:
        key = rsa_key("foreign").public_key()
        issued = agent.peer.authority.issue(key, received.csr.subject, agent.clock())
        return agent.peer.reply(received, certificates=(issued,))

    agent.peer.plan(foreign_key)
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert agent.state is State.FAILED
    assert failure is not None
    assert "key" in failure.reason
    assert_nothing_trusted_changed(agent)


@pytest.mark.covers("C-43")
def test_certificate_of_another_ca_is_refused(agent: Agent) -> None:
    """A certificate that does not chain to the pinned CA is not installed, whoever delivers it."""

    def foreign_ca(received: Received) -> bytes:
        issued = STRANGER.issue(received.csr.public_key, received.csr.subject, agent.clock())
        return agent.peer.reply(received, certificates=(issued,))

    agent.peer.plan(foreign_ca)
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.FAILED
    assert_nothing_trusted_changed(agent)


@pytest.mark.covers("C-43")
def test_expired_certificate_is_refused(agent: Agent) -> None:
    """A certificate that has ended before it arrives is not installed."""

    def old(received: Received) -> bytes:
        clock = agent.clock()
        issued = agent.peer.authority.issue(
            received.csr.public_key,
            received.csr.subject,
            clock - YEAR / 2,
            not_after=clock - YEAR / 4,
        )
        return agent.peer.reply(received, certificates=(issued,))

    agent.peer.plan(old)
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.FAILED
    assert_nothing_trusted_changed(agent)


def test_expired_ra_certificate_stops_before_anything_is_sent(agent: Agent) -> None:
    """With an RA certificate that has ended no request leaves, and the text names it."""
    agent.peer.authority = Authority(ra_not_after=T0 - YEAR / 12)
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert failure is not None
    assert "RA certificate" in failure.reason
    assert "not valid now" in failure.reason
    assert agent.peer.received == []
    assert_nothing_trusted_changed(agent)


@pytest.mark.covers("C-03", "A26", "G12")
def test_wrong_fingerprint_stops_before_anything_is_sent(agent: Agent) -> None:
    """A CA that does not match the pin blocks the trustpoint: no request, no retry."""
    agent.peer.authority = STRANGER
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.BLOCKED
    assert agent.peer.received == []
    assert agent.session.next_deadline() is None
    assert agent.session.machine.ca is None
    assert_nothing_trusted_changed(agent)


@pytest.mark.covers("C-04")
def test_ra_of_another_ca_in_the_bundle_is_not_used(agent: Agent) -> None:
    """RA certificates that do not chain to the pin are ignored, as recipients and as signers."""
    agent.peer.ca_reply = build_certs_only([*STRANGER.bundle, AUTHORITY.root.certificate])
    agent.peer.plan(lambda received: _stranger_signs(agent.peer, received))
    agent.driver.feed(EnrollRequested())
    assert agent.peer.received, "the request could not be opened with the pinned CA's key"
    assert agent.state is State.RETRY_WAIT
    assert_nothing_trusted_changed(agent)


DEVICE_USES = ("digital_signature", "key_encipherment")
MALLORY = AUTHORITY.device("mallory", *DEVICE_USES, starts_at=T0 - YEAR / 12)
"""Somebody's device, of the same CA, newer than the CA's RA."""


@pytest.mark.covers("C-04", "A26")
def test_a_device_of_the_ca_is_sent_nothing(agent: Agent) -> None:
    """Whoever shows a device certificate of the CA as its RA gets no request, nor the challenge."""
    agent.peer.ca_reply = build_certs_only([MALLORY.certificate, AUTHORITY.root.certificate])
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert agent.state is State.BLOCKED
    assert failure is not None
    assert failure.cause is FailureCause.TRUST
    for word in ("CN=mallory", "Certificate Request Agent", "cmcRA"):
        assert word in failure.reason
    for setting in ("ra_fingerprints", "any_certificate_may_be_ra"):
        assert setting in failure.reason
    assert agent.peer.received == []
    assert_nothing_trusted_changed(agent)


@pytest.mark.covers("C-04", "C-40")
@pytest.mark.parametrize("lie", ["issue", "pend", "refuse"])
def test_a_device_of_the_ca_does_not_answer_for_it(agent: Agent, lie: str) -> None:
    """Beside the real RAs a device's certificate is passed over: its key signs no reply."""
    agent.peer.ca_reply = build_certs_only([MALLORY.certificate, *AUTHORITY.bundle])
    answer = getattr(agent.peer, lie)
    agent.peer.plan(lambda received: answer(received, signer=MALLORY))
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert len(agent.peer.received) == 1, "the request could not be opened by the real RA"
    assert agent.state is State.RETRY_WAIT
    assert failure is not None
    assert failure.cause is FailureCause.TRUST
    for word in ("CN=mallory", "Certificate Request Agent", "ra_fingerprints"):
        assert word in failure.reason
    assert "any_certificate_may_be_ra" in failure.reason
    assert_nothing_trusted_changed(agent)
    agent.driver.run_until(lambda session: session.state is State.INSTALLED)


def test_a_pinned_certificate_answers_for_the_ca(tmp_path: Path) -> None:
    """An RA without the mark works once its fingerprint is set, for both of its jobs."""
    digest = MALLORY.certificate.fingerprint(hashes.SHA256())
    agent = Agent(tmp_path, policy={"ra_rule": RaRule(pinned_sha256=(digest,))})
    agent.peer.authority = OneRa(MALLORY)
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.INSTALLED
    assert [notice.event_id for notice in agent.diary.notices] == []


def test_any_certificate_answers_for_the_ca_on_demand(tmp_path: Path) -> None:
    """The opt-out takes any certificate of the CA, and the observer is told each time."""
    agent = Agent(tmp_path, policy={"ra_rule": RaRule(any_certificate=True)})
    agent.peer.authority = OneRa(MALLORY)
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.INSTALLED
    (notice,) = agent.diary.notices
    assert notice.event_id == "ca.unmarked-ra"
    assert notice.level is NoticeLevel.WARNING


@pytest.mark.covers("C-18")
def test_success_without_certificate_is_no_success(agent: Agent) -> None:
    """SUCCESS that carries no certificate is an unusable reply."""

    def hollow(received: Received) -> bytes:
        rep = CertRep(
            transaction_id=received.request.transaction_id,
            recipient_nonce=received.request.sender_nonce,
            status=PkiStatus.SUCCESS,
        )
        recipient = received.signed.signer_certificate
        assert recipient is not None
        signer = AUTHORITY.signing
        return build_signed_data(
            seal_envelope(build_certs_only([]), recipient, AlgorithmSuite()),
            reply_attributes(rep),
            signer=signer,
            signer_certificate=signer.certificate,
            digest=Digest.SHA256,
            certificates=[],
        )

    agent.peer.plan(hollow)
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert failure is not None
    assert failure.cause is FailureCause.PEER
    assert "certificate" in failure.reason
    assert_nothing_trusted_changed(agent)


@pytest.mark.covers("F-01", "T-01")
@pytest.mark.parametrize(
    ("suite", "named"),
    [
        (AlgorithmSuite(cipher=Cipher.DES_CBC), "des-cbc"),
        (AlgorithmSuite(cipher=Cipher.DES_EDE3_CBC), "des-ede3-cbc"),
        (AlgorithmSuite(digest=Digest.SHA1), "sha1"),
    ],
)
def test_reply_below_the_floor_is_refused_by_name(
    agent: Agent, suite: AlgorithmSuite, named: str
) -> None:
    """A reply below the floor fails at once, and the floor that would help is named."""
    agent.peer.plan(lambda received: agent.peer.issue(received, suite=suite))
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert agent.state is State.FAILED
    assert failure is not None
    assert failure.cause is FailureCause.CONFIGURATION
    assert named in failure.reason
    assert "floor" in failure.reason
    assert_nothing_trusted_changed(agent)


def test_lower_floor_takes_the_same_reply(tmp_path: Path) -> None:
    """What the default floor refuses, floor lab takes."""
    agent = Agent(tmp_path, policy={"floor": Floor.LAB})
    weak = AlgorithmSuite(cipher=Cipher.DES_CBC, digest=Digest.SHA1)
    agent.peer.plan(lambda received: agent.peer.issue(received, suite=weak))
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.INSTALLED


@pytest.mark.covers("F-01")
def test_server_that_offers_too_little_is_refused_by_name(agent: Agent) -> None:
    """A server that lists 3DES and SHA-1 only gets no request at the default floor."""
    agent.peer.capabilities = b"DES3\nSHA-1\n"
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert agent.state is State.FAILED
    assert failure is not None
    assert failure.cause is FailureCause.CONFIGURATION
    assert "'ndes'" in failure.reason
    assert agent.peer.received == []


@pytest.mark.covers("C-19")
def test_refusal_that_repeats_the_challenge_is_blacked_out(agent: Agent) -> None:
    """A server's text is kept for people, but not the password in it, in whatever case."""
    text = f"password {CHALLENGE.upper()} is wrong,\r\n\x1b[31m try again"
    agent.peer.plan(lambda received: agent.peer.refuse(received, fail_info_text=text))
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert agent.state is State.FAILED
    assert failure is not None
    assert failure.fail_info is FailInfo.BAD_REQUEST
    assert failure.fail_info_text == "password *** is wrong, [31m try again"
    assert CHALLENGE.lower() not in agent.written().lower()


def test_error_page_that_repeats_the_challenge_is_blacked_out(agent: Agent) -> None:
    """The same for the body of an HTTP error."""
    page = HttpResponse(status=500, body=f"bad password: {CHALLENGE}".encode())
    agent.peer.plan(lambda _: page)
    agent.driver.feed(EnrollRequested())
    failure = agent.session.machine.failure
    assert failure is not None
    assert "bad password: ***" in failure.reason
    assert_no_secret(agent)


@pytest.mark.parametrize(
    "name", ["wrong nonce", "wrong signer", "encrypted to someone else", "HTML"]
)
def test_bad_reply_to_a_renewal_leaves_the_certificate_in_use(agent: Agent, name: str) -> None:
    """During a renewal a bad reply changes neither certificate nor key nor CA."""
    agent.driver.feed(EnrollRequested())
    machine = agent.session.machine
    before = (machine.active, machine.ca and machine.ca.anchor_der)
    lie, _ = LIES[name]
    agent.peer.plan(lambda received: lie(agent.peer, received))
    agent.driver.feed(RenewRequested())
    assert agent.state is State.RETRY_WAIT
    assert (machine.active, machine.ca and machine.ca.anchor_der) == before
    assert machine.active is not None
    assert agent.store.get(machine.active.key_id)
    assert_no_secret(agent)


def test_missing_signer_certificate_is_no_obstacle(agent: Agent) -> None:
    """A reply without certificates is verified against the ones fetched before."""
    style = ReplyStyle(include_certificates=False)
    agent.peer.plan(lambda received: agent.peer.issue(received, style=style))
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.INSTALLED


@pytest.mark.covers("M-13", "T-08")
@pytest.mark.parametrize("spelling", ["omit", "empty", "zero"])
def test_pending_is_read_in_all_three_spellings(agent: Agent, spelling: str) -> None:
    """PENDING without content, with an empty one, with one zero byte."""
    style = ReplyStyle(empty_content=spelling)  # type: ignore[arg-type]
    agent.peer.plan(lambda received: agent.peer.pend(received, style=style))
    agent.driver.feed(EnrollRequested())
    assert agent.state is State.PENDING
