"""CPU of one enrollment in the codec alone, each side held against its RSA floor.

Client: request, self-signed certificate and message are written, the reply is read, the issued
certificate is judged. Server: the message is read, the certificate issued, the reply written. Keys
lie in a software key store; there is no transport, no state machine and no database.

The same messages go round and round, so the codec remembers the certificates and keys in them.
For ``first_sight`` it has to forget them each time, as if every message came from a new peer.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.asn1 import TLV
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from sceplab_hsm.api import KeyAlgorithm, KeyHandle
from sceplab_scep.algorithms import AlgorithmSuite, Digest, Floor
from sceplab_scep.attributes import PkiStatus
from sceplab_scep.certificates import self_signed_certificate
from sceplab_scep.csr import build_csr, read_csr
from sceplab_scep.envelope import open_envelope
from sceplab_scep.issued import check_issued, choose_issued
from sceplab_scep.messages import CertRep, PkcsReq
from sceplab_scep.pkimessage import build_request, read_pki_message, read_request
from sceplab_scep.reply import ReplyStyle, build_cert_rep, read_cert_rep
from sceplab_scep.x509fields import certificate_der, load_certificate, load_public_key
from sceplab_scep.x509writer import encode_extension, key_element, name_element, sign_certificate
from tests.bench.measure import cpu_us
from tests.bench.record import Record
from tests.bench.registry import Effort, benchmark
from tests.bench.rsa_floor import client_floor, server_floor
from tests.support.soft_stores import soft_store

_RATIO_TARGET = 1.5

_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_TRANSACTION_ID = "6F1A2B3C4D5E6F708192A3B4C5D6E7F8"
_NONCE = bytes(range(16))
_SUITE = AlgorithmSuite()
_STYLE = ReplyStyle()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


_CA_NAME = name_element(_name("Bench CA"))
_CA_EXTENSIONS, _LEAF_EXTENSIONS = (
    [encode_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)]
    for is_ca in (True, False)
)


def _issue(
    ca_key: KeyHandle, subject: TLV, public_key: TLV, *, is_ca: bool = False
) -> x509.Certificate:
    return sign_certificate(
        subject=subject,
        issuer=_CA_NAME,
        public_key=public_key,
        serial_number=x509.random_serial_number(),
        validity=(_NOW - timedelta(minutes=10), _NOW + timedelta(days=365)),
        extensions=_CA_EXTENSIONS if is_ca else _LEAF_EXTENSIONS,
        signer=ca_key,
        digest=Digest.SHA256,
    )


def _public_key_der(key: KeyHandle) -> bytes:
    return key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class _Server:
    """A CA with separate RA certificates for signing and for decryption."""

    ca_key: KeyHandle
    ra_key: KeyHandle
    ca: x509.Certificate
    ra_signing: x509.Certificate
    ra_encryption: x509.Certificate

    def answer(self, body: bytes) -> bytes:
        """Everything between the request's bytes and the reply's."""
        signed = read_pki_message(body, floor=Floor.MODERN)
        assert signed.content is not None
        recipients = [(self.ra_encryption, self.ra_key)]
        opened = open_envelope(signed.content, recipients=recipients, floor=Floor.MODERN)
        request = read_request(signed, opened.plaintext)
        assert isinstance(request, PkcsReq)
        csr = read_csr(request.csr_der)
        assert csr.is_signature_valid
        rep = CertRep(
            transaction_id=request.transaction_id,
            recipient_nonce=request.sender_nonce,
            sender_nonce=_NONCE,
            status=PkiStatus.SUCCESS,
            certificates=(_issue(self.ca_key, csr.subject_element, csr.public_key_element),),
        )
        return build_cert_rep(
            rep,
            signer=self.ra_key,
            signer_certificate=self.ra_signing,
            recipient=signed.signer_certificate,
            suite=_SUITE,
            style=_STYLE,
        )


def _make_server(ca_key: KeyHandle, ra_key: KeyHandle) -> _Server:
    ra_public_key = key_element(ra_key.public_key)
    return _Server(
        ca_key=ca_key,
        ra_key=ra_key,
        ca=_issue(ca_key, _CA_NAME, key_element(ca_key.public_key), is_ca=True),
        ra_signing=_issue(ca_key, name_element(_name("Bench RA signing")), ra_public_key),
        ra_encryption=_issue(ca_key, name_element(_name("Bench RA encryption")), ra_public_key),
    )


@dataclass(frozen=True, slots=True)
class _Client:
    key: KeyHandle
    server: _Server
    anchor_der: bytes

    def ask(self) -> tuple[bytes, x509.Certificate]:
        """The request's bytes, and the certificate it is signed with."""
        subject = _name("router-1.example")
        csr_der = build_csr(subject, self.key, digest=Digest.SHA256, challenge="BDE00774A789610F")
        own = self_signed_certificate(subject, self.key, now=_NOW, digest=Digest.SHA256)
        message = PkcsReq(transaction_id=_TRANSACTION_ID, sender_nonce=_NONCE, csr_der=csr_der)
        body = build_request(
            message,
            signer=self.key,
            signer_certificate=own,
            recipient=self.server.ra_encryption,
            suite=_SUITE,
            now=_NOW,
        )
        return body, own

    def take(self, reply: bytes, own: x509.Certificate) -> bytes:
        """The issued certificate, read and judged."""
        rep = read_cert_rep(
            reply,
            transaction_id=_TRANSACTION_ID,
            sender_nonce=_NONCE,
            decrypter=self.key,
            decrypter_certificate=own,
            trusted_signers=[self.server.ra_signing],
            floor=Floor.MODERN,
        )
        public_key_der = _public_key_der(self.key)
        issued = choose_issued([certificate_der(c) for c in rep.certificates], public_key_der)
        check_issued(
            issued,
            public_key_der=public_key_der,
            chain_der=[],
            anchor_der=self.anchor_der,
            now=_NOW,
            skew_s=300,
        )
        return issued


def _forget() -> None:
    """Empties the codec's memory of certificates and public keys that came in messages."""
    load_certificate.cache_clear()
    load_public_key.cache_clear()


def _measure(effort: Effort, *, before: Callable[[], object]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        store = soft_store(Path(folder) / "keys")
        ca_key, ra_key, device_key = (
            store.generate(name, KeyAlgorithm.RSA_2048) for name in ("ca", "ra", "device")
        )
        server = _make_server(ca_key, ra_key)
        client = _Client(device_key, server, anchor_der=certificate_der(server.ca))
        body, own = client.ask()
        reply = server.answer(body)

        def enroll() -> None:
            before()
            client.ask()
            client.take(reply, own)

        def answer() -> None:
            before()
            server.answer(body)

        floor_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        # Each side by turns with its own floor: a server's caches hold no client's code.
        times = {
            **cpu_us({"client": enroll, "client floor": client_floor(floor_key)}, effort),
            **cpu_us({"server": answer, "server floor": server_floor(floor_key)}, effort),
        }
        store.close()
    return times


def _records(times: dict[str, float], *, name: str, target: float | None) -> list[Record]:
    return [
        Record(
            name=name.format(side=side),
            value=times[side],
            unit="µs",
            reference=times[f"{side} floor"],
            target=target,
        )
        for side in ("client", "server")
    ]


@benchmark
def codec(effort: Effort) -> list[Record]:
    """Client and server CPU of one first enrollment, RSA-2048, AES-128 and SHA-256."""
    return _records(
        _measure(effort, before=lambda: None), name="codec.{side}", target=_RATIO_TARGET
    )


@benchmark
def codec_first_sight(effort: Effort) -> list[Record]:
    """The same when no certificate and no key of the messages is remembered."""
    times = _measure(effort, before=_forget)
    return _records(times, name="codec.{side}.first_sight", target=None)
