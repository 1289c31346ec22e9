"""The whole course of an enrollment, the same on every kind of key store."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from asn1crypto.parser import parse
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from sceplab_agent.core.events import EnrollRequested
from sceplab_agent.core.policy import Backoff, PollPolicy, RenewalPolicy
from sceplab_agent.core.states import State
from sceplab_hsm.api import KeyAlgorithm, KeyStore
from sceplab_scep.algorithms import Digest
from sceplab_scep.csr import build_csr, read_csr
from tests.support.pair import Diary, Pair
from tests.support.programs import require_program

POLLS = PollPolicy(backoff=Backoff(first_s=600.0, growth=1.0, ceiling_s=600.0), max_polls=10)


class MessageDiary(Diary):
    """Keeps the messages that were sent, too."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[bytes] = []

    def message_sent(self, trustpoint: str, message_der: bytes) -> None:
        """See `Observer.message_sent`."""
        self.messages.append(message_der)


def enroll_poll_renew(store: KeyStore, *, new_key: bool) -> MessageDiary:
    """Enrolls, waits for the approval, renews a month later; checks keys and certificates."""
    diary = MessageDiary()
    pair = Pair(
        settings={
            "template": {"approval": "manual", "renewal_approval": "auto", "validity_days": 30}
        },
        policy={"poll": POLLS, "renewal": RenewalPolicy(new_key=new_key)},
        key="",
        store=store,
        diary=diary,
    )
    pair.fetch_password()
    assert pair.driver.feed(pair.session, EnrollRequested()) is State.PENDING
    pair.pass_time(minutes=15)
    assert pair.session.state is State.PENDING
    pair.approve_all()
    pair.pass_time(minutes=10)
    assert pair.session.state is State.INSTALLED, pair.session.machine.failure
    first = pair.certificate
    assert public_keys(store) == [public_key_of(first)]
    pair.pass_time(days=25)
    assert pair.session.state is State.INSTALLED, pair.session.machine.failure
    second = pair.certificate
    assert second.serial_number != first.serial_number
    assert (public_key_of(second) == public_key_of(first)) is not new_key
    assert public_keys(store) == [public_key_of(second)], "exactly the active key is left"
    return diary


def public_key_of(certificate: x509.Certificate) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_keys(store: KeyStore) -> list[bytes]:
    """Public halves of all keys of a store."""
    return [info.public_key_der for info in store.list_keys()]


def skeleton(der: bytes, depth: int = 0) -> Iterator[tuple[int, int, int]]:
    """Depth, tag and length of every element: what is left when the values are not looked at."""
    while der:
        class_, method, tag, header, content, trailer = parse(der)
        yield depth, class_ << 6 | method << 5 | tag, len(content)
        if method:
            yield from skeleton(content, depth + 1)
        der = der[len(header) + len(content) + len(trailer) :]


@pytest.mark.parametrize("new_key", [True, False], ids=["new-key", "same-key"])
@pytest.mark.covers("L6", "B1", "C-30")
def test_enrolls_polls_and_renews(key_store: KeyStore, new_key: bool) -> None:
    """Enrollment, polling and renewal work; the certificate fits the one key that is stored."""
    enroll_poll_renew(key_store, new_key=new_key)


@pytest.mark.parametrize("new_key", [True, False], ids=["new-key", "same-key"])
def test_messages_are_the_same_on_every_store(
    key_store: KeyStore, soft: KeyStore, new_key: bool
) -> None:
    """Tag for tag and length for length the agent sends what it sends with software keys."""
    ours = enroll_poll_renew(key_store, new_key=new_key).messages
    theirs = enroll_poll_renew(soft, new_key=new_key).messages
    assert len(ours) > 3
    assert [list(skeleton(message)) for message in ours] == [
        list(skeleton(message)) for message in theirs
    ]


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384])
@pytest.mark.interop
def test_ec_keys_sign_requests(key_store: KeyStore, algorithm: KeyAlgorithm) -> None:
    """A CSR of an EC key is accepted by our reader and by OpenSSL."""
    handle = key_store.generate("ec", algorithm)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "router1.example.test")])
    csr_der = build_csr(subject, handle, digest=Digest.SHA256)
    assert read_csr(csr_der).is_signature_valid
    openssl = require_program("openssl", package="openssl")
    done = subprocess.run(
        [openssl, "req", "-inform", "DER", "-verify", "-noout"],
        input=csr_der,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"verify OK" in done.stderr + done.stdout


@pytest.mark.covers("L3")
def test_keys_are_not_for_export(key_store: KeyStore) -> None:
    """The list says of every key that it is not for export."""
    key_store.generate("device", KeyAlgorithm.EC_P256)
    assert [info.exportable for info in key_store.list_keys()] == [False]
