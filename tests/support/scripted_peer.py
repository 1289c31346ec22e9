"""A SCEP server that answers as a test tells it, with real CMS, and an agent to talk to it.

``peer.script`` holds what to do with the next messages; without a script it issues. Every answer
is built by `ScriptedPeer.reply`, whose arguments are the lies a test wants told.
"""

from __future__ import annotations

import functools
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.core.commands import Notify
from sceplab_agent.core.policy import CaPin, EnrollmentPolicy, PinAlgorithm
from sceplab_agent.core.states import State
from sceplab_agent.drivers.blocking import BlockingDriver
from sceplab_agent.drivers.virtual import VirtualClock
from sceplab_agent.executor import Surroundings
from sceplab_agent.handoff.api import HandOff
from sceplab_agent.install import CertificateInstaller, MemoryInstaller
from sceplab_agent.journal import Journal, JournalEntry, MemoryJournal
from sceplab_agent.observer import SilentObserver
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.transport import HttpResponse
from sceplab_agent.trustpoint import TrustpointConfig, parse_subject
from sceplab_hsm.api import KeyStore
from sceplab_hsm.secret import Secret
from sceplab_scep.algorithms import AlgorithmSuite, Floor
from sceplab_scep.attributes import FailInfo, PkiStatus
from sceplab_scep.csr import CsrView, read_csr
from sceplab_scep.degenerate import build_certs_only
from sceplab_scep.envelope import open_envelope
from sceplab_scep.messages import CertPoll, CertRep, Request
from sceplab_scep.operations import decode_get_message, parse_query
from sceplab_scep.pkimessage import SignedMessage, read_pki_message, read_request
from sceplab_scep.ra_rule import CERTIFICATE_REQUEST_AGENT
from sceplab_scep.reply import ReplyStyle, build_cert_rep
from tests.support.soft_stores import soft_store

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
CAPABILITIES = b"AES\nPOSTPKIOperation\nRenewal\nSHA-256\nSCEPStandard\n"
CHALLENGE = "planted-Challenge-7261"
PASSPHRASE = "planted-Passphrase-9911"
URL = "http://ca.example.test/scep"


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, in the shape of the codec's signer and decrypter."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        """Public half."""
        return self.key.public_key()

    def sign(self, data: bytes, hash_algorithm: hashes.HashAlgorithm) -> bytes:
        """PKCS#1 v1.5 signature."""
        return self.key.sign(data, padding.PKCS1v15(), hash_algorithm)

    def decrypt(self, ciphertext: bytes, padding: Any) -> bytes:
        """RSA decryption."""
        return self.key.decrypt(ciphertext, padding)


@functools.cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """A key of that name, made once a test run."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def common_name(text: str) -> x509.Name:
    """A name of one part."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@functools.cache
def _root(name: str) -> Identity:
    key, subject = rsa_key(name), common_name(name)
    builder = _certificate(subject, subject, key.public_key(), T0 + 20 * YEAR).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    usage = _usage(key_cert_sign=True, crl_sign=True)
    return Identity(key, builder.add_extension(usage, True).sign(key, hashes.SHA256()))


@dataclass(frozen=True)
class Authority:
    """A CA with an RA that signs and one that decrypts. Equal names, equal CA certificates."""

    name: str = "Scripted CA"
    ra_not_after: datetime = T0 + 5 * YEAR

    @functools.cached_property
    def root(self) -> Identity:
        """The CA itself."""
        return _root(self.name)

    @functools.cached_property
    def signing(self) -> Identity:
        """The RA that signs."""
        return self._ra("RA sign", digital_signature=True)

    @functools.cached_property
    def encryption(self) -> Identity:
        """The RA that decrypts."""
        return self._ra("RA decrypt", key_encipherment=True)

    @property
    def bundle(self) -> list[x509.Certificate]:
        """What GetCACert answers."""
        return [self.encryption.certificate, self.root.certificate, self.signing.certificate]

    def pin(self) -> CaPin:
        """Fingerprint of the CA."""
        digest = self.root.certificate.fingerprint(hashes.SHA256())
        return CaPin(algorithm=PinAlgorithm.SHA256, digest=digest)

    def issue(
        self, public_key: Any, subject: x509.Name, now: datetime, **changes: Any
    ) -> x509.Certificate:
        """A device's certificate, valid for a year unless ``not_after`` says else."""
        not_after = changes.get("not_after", now + YEAR)
        builder = _certificate(subject, self.root.certificate.subject, public_key, not_after, now)
        return builder.sign(self.root.key, hashes.SHA256())

    def device(
        self, name: str, *uses: str, starts_at: datetime = T0 - YEAR, subject: str = ""
    ) -> Identity:
        """The certificate of somebody's device, of this CA, with its key."""
        key = rsa_key(f"device {name}")
        issuer = self.root.certificate.subject
        builder = _certificate(
            common_name(subject or name), issuer, key.public_key(), T0 + 5 * YEAR, starts_at
        )
        usage = _usage(**dict.fromkeys(uses, True))
        builder = builder.add_extension(usage, critical=True).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        return Identity(key, builder.sign(self.root.key, hashes.SHA256()))

    def _ra(self, name: str, **usage: bool) -> Identity:
        key = rsa_key(f"{self.name} {name}")
        builder = _certificate(
            common_name(name), self.root.certificate.subject, key.public_key(), self.ra_not_after
        )
        builder = builder.add_extension(_usage(**usage), critical=True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([CERTIFICATE_REQUEST_AGENT]), critical=False
        )
        return Identity(key, builder.sign(self.root.key, hashes.SHA256()))


AUTHORITY = Authority()
STRANGER = Authority("Another CA")


@dataclass(frozen=True)
class Received:
    """One message as the peer read it."""

    body: bytes
    signed: SignedMessage
    request: Request

    @property
    def csr(self) -> CsrView:
        """The CSR inside."""
        assert not isinstance(self.request, CertPoll)
        return read_csr(self.request.csr_der)


Act = Callable[[Received], bytes | HttpResponse]


@dataclass
class ScriptedPeer:
    """`HttpTransport` and server in one."""

    clock: Callable[[], datetime]
    authority: Authority = AUTHORITY
    capabilities: bytes | HttpResponse = CAPABILITIES
    ca_reply: bytes | HttpResponse | None = None
    """Instead of the authority's bundle."""
    script: deque[Act | Exception] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`."""
        self.methods.append(method)
        self.urls.append(url)
        if "operation=GetCACaps" in url:
            return _respond(self.capabilities)
        if "operation=GetCACert" in url:
            return _respond(self.ca_reply or build_certs_only(self.authority.bundle))
        if body is None:
            _, message = parse_query(url.partition("?")[2])
            assert message is not None
            body = decode_get_message(message)
        received = self._read(body)
        self.received.append(received)
        act = self.script.popleft() if self.script else self.issue
        if isinstance(act, Exception):
            raise act
        return _respond(act(received))

    def plan(self, *acts: Act | Exception) -> None:
        """What to do with the next messages."""
        self.script.extend(acts)

    def reply(self, received: Received, **lies: Any) -> bytes:
        """A CertRep; honest but for the arguments given.

        Args:
            received: the message answered.
            lies: fields of `CertRep`, and ``signer`` (`Identity`), ``recipient``, ``suite``,
                ``style``.
        """
        signer: Identity = lies.pop("signer", self.authority.signing)
        recipient = lies.pop("recipient", received.signed.signer_certificate)
        suite = lies.pop("suite", AlgorithmSuite())
        style = lies.pop("style", ReplyStyle())
        honest: dict[str, Any] = {
            "transaction_id": received.request.transaction_id,
            "recipient_nonce": received.request.sender_nonce,
            "status": PkiStatus.SUCCESS,
        }
        return build_cert_rep(
            CertRep(**{**honest, **lies}),
            signer=signer,
            signer_certificate=signer.certificate,
            recipient=recipient,
            suite=suite,
            style=style,
        )

    def issue(self, received: Received, **lies: Any) -> bytes:
        """SUCCESS with a certificate for the key of the CSR (or of the CSR polled for)."""
        lies.setdefault("certificates", (self.certificate_for(received),))
        return self.reply(received, **lies)

    def pend(self, received: Received, **lies: Any) -> bytes:
        """PENDING."""
        return self.reply(received, **{"status": PkiStatus.PENDING, **lies})

    def refuse(self, received: Received, **lies: Any) -> bytes:
        """FAILURE, badRequest unless told otherwise."""
        honest: dict[str, Any] = {"status": PkiStatus.FAILURE, "fail_info": FailInfo.BAD_REQUEST}
        return self.reply(received, **{**honest, **lies})

    def certificate_for(self, received: Received, **changes: Any) -> x509.Certificate:
        """The certificate an honest CA would issue."""
        asked = next(
            message
            for message in reversed(self.received)
            if not isinstance(message.request, CertPoll)
            and message.request.transaction_id == received.request.transaction_id
        )
        return self.authority.issue(
            asked.csr.public_key, changes.pop("subject", asked.csr.subject), self.clock(), **changes
        )

    def _read(self, body: bytes) -> Received:
        signed = read_pki_message(body, floor=Floor.LAB)
        assert signed.content is not None
        recipients = [
            (identity.certificate, identity)
            for identity in (self.authority.encryption, self.authority.root)
        ]
        opened = open_envelope(signed.content, recipients=recipients, floor=Floor.LAB)
        return Received(body, signed, read_request(signed, opened.plaintext))


class Diary(SilentObserver):
    """Keeps everything an observer is told."""

    def __init__(self) -> None:
        self.entries: list[JournalEntry] = []
        self.notices: list[Notify] = []
        self.states: list[State] = []
        self.sent: list[bytes] = []
        self._moved = threading.Condition()

    def wait_for(self, state: State, timeout_s: float = 10) -> None:
        """Blocks until the machine has been in a state; for tests with threads."""
        with self._moved:
            assert self._moved.wait_for(lambda: state in self.states, timeout_s), self.states

    def recorded(self, entry: JournalEntry) -> None:
        """See `Observer.recorded`."""
        self.entries.append(entry)

    def noticed(self, trustpoint: str, notice: Notify) -> None:
        """See `Observer.noticed`."""
        self.notices.append(notice)

    def state_changed(self, trustpoint: str, old: State, new: State) -> None:
        """See `Observer.state_changed`."""
        with self._moved:
            self.states.append(new)
            self._moved.notify_all()

    def message_sent(self, trustpoint: str, message_der: bytes) -> None:
        """See `Observer.message_sent`."""
        self.sent.append(message_der)


@dataclass
class Agent:
    """One trustpoint, driven by the blocking driver under a clock that a sleep moves."""

    place: Path
    policy: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(T0))
    journal: Journal = field(default_factory=MemoryJournal)
    installer: CertificateInstaller = field(default_factory=MemoryInstaller)
    diary: Diary = field(default_factory=Diary)
    challenge: ChallengeSource = field(
        default_factory=lambda: ChallengeSource.fixed(Secret(CHALLENGE))
    )
    consumers: tuple[HandOff, ...] = ()
    seed: int = 1
    store: KeyStore = field(init=False)
    peer: ScriptedPeer = field(init=False)
    driver: BlockingDriver = field(init=False)

    def __post_init__(self) -> None:
        """Makes the key store, the peer and a started session."""
        self.store = soft_store(self.place / "keys", passphrase=PASSPHRASE)
        self.peer = ScriptedPeer(self.clock)
        self.restart()

    def restart(self) -> None:
        """A new session from the same journal, as after a power cut."""
        draw = random.Random(self.seed)
        self.seed += 1
        session = EnrollmentSession(
            self.trustpoint(),
            Surroundings(
                store=self.store,
                journal=self.journal,
                installer=self.installer,
                challenge=self.challenge,
                random_bytes=draw.randbytes,
                clock=self.clock,
                observer=self.diary,
                handoffs=self.consumers,
            ),
            rng=draw,
            new_transaction_id=lambda: draw.randbytes(16).hex().upper(),
        )
        self.driver = BlockingDriver(
            session,
            self.peer,
            clock=self.clock,
            sleep=lambda seconds: self.clock.move_to(self.clock() + timedelta(seconds=seconds)),
        )
        self.driver.start()

    def trustpoint(self) -> TrustpointConfig:
        """The trustpoint's configuration."""
        policy = EnrollmentPolicy(name="lab", pin=AUTHORITY.pin())
        trustpoint = TrustpointConfig(
            name="lab",
            url=URL,
            subject=parse_subject("CN=router1.example.org,O=Example"),
            dns_names=("router1.example.org",),
            policy=replace(policy, **self.policy),
        )
        return replace(trustpoint, **self.config)

    @property
    def session(self) -> EnrollmentSession:
        """The session at work."""
        return self.driver.session

    @property
    def state(self) -> State:
        """Where the machine stands."""
        return self.session.state

    def written(self) -> str:
        """Everything that the agent wrote or said anywhere but on the wire."""
        stored = [self.journal.snapshot(name) for name in self.journal.trustpoints()]
        return repr((self.journal.entries(), stored, self.diary.notices, self.session.config))


def _respond(answer: bytes | HttpResponse) -> HttpResponse:
    return answer if isinstance(answer, HttpResponse) else HttpResponse(status=200, body=answer)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: Any,
    not_after: datetime,
    not_before: datetime = T0 - YEAR,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _usage(**allowed: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})
