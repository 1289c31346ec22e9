"""A small PKI, a device and its messages, for tests of the codec.

Keys are made once in a process. Nothing here is random besides keys, serial numbers and what the
codec draws itself; time stands still at `NOW`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sceplab_scep.algorithms import AlgorithmSuite, Digest, Floor
from sceplab_scep.attributes import FailInfo, PkiStatus
from sceplab_scep.certificates import self_signed_certificate, signing_key
from sceplab_scep.csr import build_csr
from sceplab_scep.envelope import OpenedEnvelope, open_envelope
from sceplab_scep.messages import CertRep, PkcsReq, RenewalReq, Request
from sceplab_scep.pkimessage import SignedMessage, build_request, read_pki_message
from sceplab_scep.ra_rule import CERTIFICATE_REQUEST_AGENT
from sceplab_scep.reply import ReplyStyle, build_cert_rep, read_cert_rep

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NONCE = bytes(range(16))
SERVER_NONCE = bytes(range(16, 32))
TRANSACTION_ID = "6F1A2B3C4D5E6F708192A3B4C5D6E7F8"
CHALLENGE = "BDE00774A789610F"
MODERN = AlgorithmSuite()


class LocalKey:
    """A private key in memory that signs and decrypts as a key handle does."""

    def __init__(self, private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self.private_key = private_key
        self.public_key = private_key.public_key()

    def sign(self, data: bytes, hash_algorithm: hashes.HashAlgorithm) -> bytes:
        """PKCS#1 v1.5 or ECDSA."""
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            return self.private_key.sign(data, PKCS1v15(), hash_algorithm)
        return self.private_key.sign(data, ec.ECDSA(hash_algorithm))

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """RSA only."""
        assert isinstance(self.private_key, rsa.RSAPrivateKey)
        return self.private_key.decrypt(ciphertext, padding)

    @property
    def spki(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return self.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> bytes:
        """The private key for programs that want a file."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@functools.cache
def rsa_key(name: str) -> LocalKey:
    """The RSA-2048 key of that name, the same within a process."""
    assert name
    return LocalKey(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@functools.cache
def ec_key(name: str) -> LocalKey:
    """The P-256 key of that name, the same within a process."""
    assert name
    return LocalKey(ec.generate_private_key(ec.SECP256R1()))


def bent_key(key: LocalKey) -> LocalKey:
    """An RSA key with the same public half that does not work: an exponent of it is wrong."""
    assert isinstance(key.private_key, rsa.RSAPrivateKey)
    numbers = key.private_key.private_numbers()
    bent = rsa.RSAPrivateNumbers(
        p=numbers.p,
        q=numbers.q,
        d=numbers.d,
        dmp1=numbers.dmp1 + 2,
        dmq1=numbers.dmq1,
        iqmp=numbers.iqmp,
        public_numbers=numbers.public_numbers,
    )
    return LocalKey(bent.private_key(unsafe_skip_rsa_key_validation=True))


def name(text: str) -> x509.Name:
    """A distinguished name from RFC 4514 text."""
    return x509.Name.from_rfc4514_string(text)


def der(certificate: x509.Certificate) -> bytes:
    """The certificate, DER."""
    return certificate.public_bytes(Encoding.DER)


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate, PEM."""
    return certificate.public_bytes(Encoding.PEM)


def key_usage(*allowed: str) -> x509.KeyUsage:
    """A key usage that allows the uses named, by their parameter names."""
    uses = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(**(uses | dict.fromkeys(allowed, True)))


def issue(
    subject: str | x509.Name,
    key: LocalKey,
    issuer: str | x509.Name,
    issuer_key: LocalKey,
    *,
    uses: Sequence[str] = (),
    purposes: Sequence[x509.ObjectIdentifier] = (),
    is_ca: bool | None = False,
    serial: int | None = None,
    starts_at: datetime = NOW - timedelta(days=1),
    lifetime_days: float = 365,
) -> x509.Certificate:
    """A certificate, without the extensions for which nothing (``is_ca``: None) is given."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject) if isinstance(subject, str) else subject)
        .issuer_name(name(issuer) if isinstance(issuer, str) else issuer)
        .public_key(key.public_key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(starts_at)
        .not_valid_after(starts_at + timedelta(days=lifetime_days))
    )
    if is_ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    if uses:
        builder = builder.add_extension(key_usage(*uses), critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    return builder.sign(signing_key(issuer_key), hashes.SHA256())


RA_PURPOSES = (CERTIFICATE_REQUEST_AGENT,)
CA_NAME = "CN=Lab CA,O=Example"
DEVICE_NAME = "CN=router1.example.com,O=Example"


@dataclass(frozen=True)
class Pki:
    """A CA with two RA certificates, as NDES has them."""

    ca_key: LocalKey
    ra_signing_key: LocalKey
    ra_encryption_key: LocalKey
    ca: x509.Certificate
    ra_signing: x509.Certificate
    ra_encryption: x509.Certificate

    @property
    def bundle_der(self) -> tuple[bytes, ...]:
        """What GetCACert answers with."""
        return der(self.ra_signing), der(self.ra_encryption), der(self.ca)

    def issue_ra(self, key: LocalKey, **options: object) -> x509.Certificate:
        """A certificate of this CA that says it is an RA's."""
        return self.issue("CN=RA", key, **({"purposes": RA_PURPOSES} | options))

    def issue(self, subject: str, key: LocalKey, **options: object) -> x509.Certificate:
        """A certificate of this CA."""
        uses = ("digital_signature", "key_encipherment")
        return issue(subject, key, CA_NAME, self.ca_key, **({"uses": uses} | options))  # type: ignore[arg-type]


@functools.cache
def lab_pki() -> Pki:
    """The PKI of the tests."""
    ca_key, signing, encryption = rsa_key("ca"), rsa_key("ra-signing"), rsa_key("ra-encryption")
    mark = RA_PURPOSES
    return Pki(
        ca_key=ca_key,
        ra_signing_key=signing,
        ra_encryption_key=encryption,
        ca=issue(CA_NAME, ca_key, CA_NAME, ca_key, is_ca=True, uses=("key_cert_sign", "crl_sign")),
        ra_signing=issue(
            "CN=RA", signing, CA_NAME, ca_key, uses=("digital_signature",), purposes=mark
        ),
        ra_encryption=issue(
            "CN=RA", encryption, CA_NAME, ca_key, uses=("key_encipherment",), purposes=mark
        ),
    )


@functools.cache
def device_certificate(digest: Digest = Digest.SHA256) -> x509.Certificate:
    """The self-signed certificate of the device's key."""
    return self_signed_certificate(name(DEVICE_NAME), rsa_key("device"), now=NOW, digest=digest)


@functools.cache
def issued_certificate() -> x509.Certificate:
    """A certificate the CA issued for the device's key."""
    return lab_pki().issue(DEVICE_NAME, rsa_key("device"))


def device_csr(**options: object) -> bytes:
    """A certification request of the device, with the challenge password."""
    chosen = {"digest": Digest.SHA256, "challenge": CHALLENGE} | options
    return build_csr(name(DEVICE_NAME), rsa_key("device"), **chosen)  # type: ignore[arg-type]


def pkcs_req(csr_der: bytes | None = None, **changes: object) -> PkcsReq:
    """A PKCSReq of the device."""
    values = {"transaction_id": TRANSACTION_ID, "sender_nonce": NONCE}
    return PkcsReq(csr_der=csr_der or device_csr(), **(values | changes))  # type: ignore[arg-type]


def renewal_req(csr_der: bytes | None = None) -> RenewalReq:
    """A RenewalReq of the device."""
    return RenewalReq(
        transaction_id=TRANSACTION_ID, sender_nonce=NONCE, csr_der=csr_der or device_csr()
    )


def request_bytes(
    message: Request | None = None,
    *,
    suite: AlgorithmSuite = MODERN,
    signer_certificate: x509.Certificate | None = None,
    recipient: x509.Certificate | None = None,
    now: datetime | None = NOW,
) -> bytes:
    """A request as it goes to the server."""
    return build_request(
        message or pkcs_req(),
        signer=rsa_key("device"),
        signer_certificate=signer_certificate or device_certificate(),
        recipient=recipient or lab_pki().ra_encryption,
        suite=suite,
        now=now,
    )


def success(*certificates: x509.Certificate) -> CertRep:
    """A CertRep SUCCESS for the device."""
    return CertRep(
        transaction_id=TRANSACTION_ID,
        recipient_nonce=NONCE,
        sender_nonce=SERVER_NONCE,
        status=PkiStatus.SUCCESS,
        certificates=certificates or (issued_certificate(),),
    )


def pending() -> CertRep:
    """A CertRep PENDING for the device."""
    return CertRep(
        transaction_id=TRANSACTION_ID,
        recipient_nonce=NONCE,
        sender_nonce=SERVER_NONCE,
        status=PkiStatus.PENDING,
    )


def failure(fail_info: FailInfo = FailInfo.BAD_REQUEST, **more: object) -> CertRep:
    """A CertRep FAILURE for the device."""
    return CertRep(
        transaction_id=TRANSACTION_ID,
        recipient_nonce=NONCE,
        sender_nonce=SERVER_NONCE,
        status=PkiStatus.FAILURE,
        fail_info=fail_info,
        **more,  # type: ignore[arg-type]
    )


def reply_bytes(
    rep: CertRep | None = None,
    *,
    suite: AlgorithmSuite = MODERN,
    style: ReplyStyle | None = None,
    recipient: x509.Certificate | None = None,
    signer: LocalKey | None = None,
    signer_certificate: x509.Certificate | None = None,
) -> bytes:
    """A reply as it goes to the device."""
    pki = lab_pki()
    return build_cert_rep(
        rep or success(),
        signer=signer or pki.ra_signing_key,
        signer_certificate=signer_certificate or pki.ra_signing,
        recipient=recipient or device_certificate(),
        suite=suite,
        style=style or ReplyStyle(),
    )


def take_reply(data: bytes, *, floor: Floor = Floor.MODERN, **changes: object) -> CertRep:
    """The reply as the device reads it."""
    values: dict[str, object] = {
        "transaction_id": TRANSACTION_ID,
        "sender_nonce": NONCE,
        "decrypter": rsa_key("device"),
        "decrypter_certificate": device_certificate(),
        "trusted_signers": [lab_pki().ra_signing],
    }
    return read_cert_rep(data, floor=floor, **(values | changes))  # type: ignore[arg-type]


def take_request(data: bytes, *, floor: Floor = Floor.MODERN) -> SignedMessage:
    """The request as the server reads it, its envelope still closed."""
    return read_pki_message(data, floor=floor)


def unseal(content: bytes | None, *, floor: Floor = Floor.MODERN) -> OpenedEnvelope:
    """The envelope as the RA opens it."""
    assert content is not None
    pki = lab_pki()
    recipients = [(pki.ra_encryption, pki.ra_encryption_key)]
    return open_envelope(content, recipients=recipients, floor=floor)
