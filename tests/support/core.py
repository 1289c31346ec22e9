"""A CA of real certificates, and a stage where the enrollment core plays without drivers."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from sceplab_agent.core import events as ev
from sceplab_agent.core.commands import (
    BuildRequest,
    Command,
    DeleteKey,
    GenerateKey,
    HandOver,
    InstallCertificate,
    Notify,
    Record,
    SendRequest,
)
from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_agent.core.policy import CaPin, EnrollmentPolicy, PinAlgorithm
from sceplab_agent.core.states import State
from sceplab_scep.attributes import FailInfo
from sceplab_scep.capabilities import Capabilities, parse_capabilities
from sceplab_scep.ra_rule import CERTIFICATE_REQUEST_AGENT

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""When every stage opens."""
LIFETIME = timedelta(days=365)
SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "router1.example.net")])
FULL = parse_capabilities(b"AES\nPOSTPKIOperation\nRenewal\nSHA-256\nSCEPStandard\n")
NO_RENEWAL = parse_capabilities(b"AES\nPOSTPKIOperation\nSHA-256\n")
UNREACHABLE = ev.TransportFailed(
    cause=ev.FailureCause.TRANSPORT, reason="connection refused", is_retryable=True
)
FORGED = ev.TransportFailed(
    cause=ev.FailureCause.PEER, reason="wrong recipientNonce", is_retryable=False
)
REJECTED = ev.ReplyRejected(fail_info=FailInfo.BAD_REQUEST, text="no", hresult=-2146877420)
LOST = ev.ReplyRejected(fail_info=FailInfo.BAD_CERT_ID, text="")

IRREVERSIBLE = (GenerateKey, DeleteKey, SendRequest, InstallCertificate, HandOver)
"""Commands that must stand directly behind a `Record`."""

C = TypeVar("C", bound=Command)


def spki(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@functools.cache
def device_key(name: str) -> ec.EllipticCurvePrivateKey:
    """The key that a key store keeps under a name; P-256, because many are made."""
    del name
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """The RSA key of that name, made once a test run."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _usage(*, sign: bool = False, encrypt: bool = False, ca: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        key_encipherment=encrypt,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True)
class Pki:
    """A CA with an RA that signs and an RA that decrypts. Equal names, equal keys."""

    name: str = "one"
    ra: str = "a"
    """Another value: new RA certificates of the same CA."""
    ra_valid_to: datetime = T0 + 20 * LIFETIME
    valid_to: datetime = T0 + 40 * LIFETIME
    valid_from: datetime = T0 - LIFETIME

    @functools.cached_property
    def key(self) -> rsa.RSAPrivateKey:
        """The CA's private key."""
        return rsa_key(f"ca {self.name}")

    @functools.cached_property
    def certificate(self) -> x509.Certificate:
        """The CA certificate, self-signed."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {self.name}")])
        builder = (
            _builder(name, self.key.public_key(), self.valid_from, self.valid_to, serial=1)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(ca=True), critical=True)
        )
        return builder.sign(self.key, hashes.SHA256())

    @property
    def anchor_der(self) -> bytes:
        """The CA certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @functools.cached_property
    def bundle(self) -> tuple[bytes, ...]:
        """What GetCACert answers."""
        ras = [
            self._sign(
                _builder(
                    x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"RA {self.ra} {use}")]),
                    rsa_key(f"ra {self.ra} {use}").public_key(),
                    self.valid_from,
                    self.ra_valid_to,
                )
                .add_extension(_usage(sign=use == "sign", encrypt=use == "decrypt"), critical=True)
                .add_extension(x509.ExtendedKeyUsage([CERTIFICATE_REQUEST_AGENT]), critical=False)
            )
            for use in ("sign", "decrypt")
        ]
        return (*ras, self.anchor_der)

    def pin(self, algorithm: PinAlgorithm = PinAlgorithm.SHA256) -> CaPin:
        """The fingerprint an operator would configure."""
        digest = hashlib.new(algorithm.value, self.anchor_der).digest()
        return CaPin(algorithm=algorithm, digest=digest)

    def issue(
        self,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        *,
        at: datetime = T0,
        lifetime: timedelta = LIFETIME,
        subject: x509.Name = SUBJECT,
        serial: int | None = None,
    ) -> bytes:
        """A device certificate, DER."""
        return self._sign(_builder(subject, key.public_key(), at, at + lifetime, serial=serial))

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        signed = builder.issuer_name(self.certificate.subject).sign(self.key, hashes.SHA256())
        return signed.public_bytes(Encoding.DER)


def _builder(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    not_before: datetime,
    not_after: datetime,
    *,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .serial_number(serial or x509.random_serial_number())
    )


@functools.cache
def self_signed(name: str) -> bytes:
    """The certificate a first enrollment is signed with, DER."""
    key = device_key(name)
    builder = _builder(SUBJECT, key.public_key(), T0 - LIFETIME, T0 + 40 * LIFETIME)
    return builder.issuer_name(SUBJECT).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


PKI = Pki()
OTHER_PKI = Pki(name="two", ra="b")


class FixedChance:
    """A random source that always gives the same number."""

    def __init__(self, value: float = 0.5) -> None:
        self.value = value

    def random(self) -> float:
        """The number."""
        return self.value


def policy(**changes: object) -> EnrollmentPolicy:
    """A trustpoint pinned to `PKI`, with changes."""
    values: dict[str, Any] = {"name": "tp", "key_id": "key", "pin": PKI.pin()}
    return EnrollmentPolicy(**(values | changes))


@dataclass
class Stage:
    """A machine, its clock, and the answers a willing world would give.

    Every method hands one event over and returns the commands.
    """

    policy: EnrollmentPolicy = field(default_factory=policy)
    pki: Pki = PKI
    capabilities: Capabilities = FULL
    now: datetime = T0
    machine: EnrollmentMachine = field(init=False)
    log: list[Command] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    """Of the last event."""

    def __post_init__(self) -> None:
        self._ids = itertools.count(1)
        self.machine = EnrollmentMachine(
            self.policy, rng=FixedChance(), new_transaction_id=self._next_id
        )

    def _next_id(self) -> str:
        return f"T{next(self._ids)}"

    @property
    def state(self) -> State:
        """State of the machine."""
        return self.machine.state

    def restart(self) -> None:
        """Replaces the machine by one made of the snapshot that was recorded last."""
        records = [command for command in self.log if isinstance(command, Record)]
        self.machine = EnrollmentMachine.restore(
            self.policy,
            records[-1].snapshot,
            rng=FixedChance(),
            new_transaction_id=self._next_id,
        )

    def give(self, event: ev.Event, after: timedelta = timedelta()) -> list[Command]:
        """Lets time pass, hands an event over, checks the order of effects."""
        self.now += after
        self.commands = self.machine.handle(event, self.now)
        self.log += self.commands
        check_effects(self.commands)
        return self.commands

    def wake(self) -> list[Command]:
        """Moves the clock to the next deadline (never back) and says so."""
        deadline = self.machine.next_deadline()
        assert deadline is not None, f"nothing to wait for in {self.state}"
        self.now = max(self.now, deadline)
        return self.give(ev.DeadlineReached())

    def one(self, kind: type[C]) -> C:
        """The only command of a kind that the last event gave."""
        found = [command for command in self.commands if isinstance(command, kind)]
        assert len(found) == 1, f"{len(found)} {kind.__name__} in {self.commands}"
        return found[0]

    def ids(self, kind: type[Record] | type[Notify] = Record) -> list[str]:
        """Ids of the records or notices that the last event gave."""
        return [command.event_id for command in self.commands if isinstance(command, kind)]

    def ca_received(self, pki: Pki | None = None) -> list[Command]:
        """GetCACert is answered."""
        bundle = (pki or self.pki).bundle
        return self.give(
            ev.CaCertificatesReceived(certificates_der=bundle, capabilities=self.capabilities)
        )

    def key_ready(self) -> list[Command]:
        """The key store has the key."""
        key_id = self.one(GenerateKey).key_id
        return self.give(ev.KeyReady(key_id=key_id, public_key_der=spki(device_key(key_id))))

    def built(self) -> list[Command]:
        """The message that was asked for is signed."""
        request = self.one(BuildRequest)
        signer = request.signer_certificate_der or self_signed(request.signer_key_id)
        serial = sum(isinstance(command, BuildRequest) for command in self.log)
        return self.give(
            ev.RequestBuilt(
                message_der=f"{request.message_type.name} {serial}".encode(),
                sender_nonce=serial.to_bytes(16, "big"),
                signer_certificate_der=signer,
            )
        )

    def issued(self, *certificates_der: bytes, serial: int | None = None) -> list[Command]:
        """SUCCESS with the certificates given, or with one for the key of the request."""
        key = self.machine.new_key
        assert key is not None
        fitting = self.pki.issue(device_key(key.key_id), at=self.now, serial=serial)
        return self.give(
            ev.ReplyIssued(reply_der=b"reply", certificates_der=certificates_der or (fitting,))
        )

    def to_pinned(self) -> Stage:
        """Configured and authenticated."""
        self.give(ev.TrustpointConfigured())
        self.give(ev.AuthenticateRequested())
        self.ca_received()
        return self

    def to_sent(self) -> Stage:
        """The first request is out."""
        if self.state is State.UNCONFIGURED:
            self.to_pinned()
        self.give(ev.EnrollRequested())
        return self.through_request()

    def through_request(self) -> Stage:
        """From GetCACert to a request that is out."""
        self.ca_received()
        self.key_ready()
        self.built()
        return self

    def to_pending(self) -> Stage:
        """The first request is pending."""
        self.to_sent().give(ev.ReplyPending())
        return self

    def to_installed(self) -> Stage:
        """The first certificate is active."""
        self.to_sent().issued()
        self.give(ev.CertificateInstalled())
        return self

    def to_renewal_sent(self) -> Stage:
        """The renewal request is out, at the moment the policy says."""
        self.to_installed().wake()
        return self.through_request()


def check_effects(commands: Sequence[Command]) -> None:
    """Every effect that cannot be taken back stands directly behind a record."""
    for before, command in zip([None, *commands], commands, strict=False):
        if isinstance(command, IRREVERSIBLE):
            assert isinstance(before, Record), f"{type(command).__name__} behind {before}"
