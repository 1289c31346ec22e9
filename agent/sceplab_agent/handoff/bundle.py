"""A delivery as files: what each holds, and whether what was read back is what was delivered."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

from sceplab_agent.handoff.api import Delivery
from sceplab_hsm.secret import Secret
from sceplab_scep.algorithms import Floor
from sceplab_scep.chains import find_path

_KDF_ROUNDS = 100_000
_KEY_TYPES = (RSAPrivateKey, EllipticCurvePrivateKey)


class Part(enum.Enum):
    """One file of a delivery. The value is what configuration files write."""

    CERTIFICATE = "certificate"
    CHAIN = "chain"
    FULLCHAIN = "fullchain"
    CA = "ca"
    KEY = "key"
    PKCS12 = "pkcs12"

    @property
    def file_name(self) -> str:
        """Name of the file."""
        return "bundle.p12" if self is Part.PKCS12 else f"{self.value}.pem"

    @property
    def holds_key(self) -> bool:
        """Whether the private key is in it."""
        return self in {Part.KEY, Part.PKCS12}


PUBLIC_PARTS = tuple(part for part in Part if not part.holds_key)


class BundleError(Exception):
    """A file does not hold what was delivered, or cannot be made of it. No secret in the text."""


def render(delivery: Delivery, part: Part, passphrase: Secret | None) -> bytes:
    """Content of one file.

    Args:
        delivery: what is delivered.
        part: which file.
        passphrase: of a PKCS#12 file, not empty; other files need none.

    Raises:
        BundleError: the key does not leave its store, or there is no passphrase.
    """
    chain = delivery.chain_der
    if part is Part.KEY:
        return _key_pem(delivery)
    if part is Part.PKCS12:
        return _pkcs12(delivery, passphrase)
    certificates_der: dict[Part, tuple[bytes, ...]] = {
        Part.CERTIFICATE: (delivery.certificate_der,),
        Part.CHAIN: chain,
        Part.FULLCHAIN: (delivery.certificate_der, *chain),
        Part.CA: chain[-1:],
    }
    return b"".join(
        certificate.public_bytes(Encoding.PEM) for certificate in _load(certificates_der[part])
    )


def check(delivery: Delivery, part: Part, content: bytes, passphrase: Secret | None) -> None:
    """Holds a file that was read back against the delivery, as its consumer would read it.

    Raises:
        BundleError: another certificate, another key, another chain, or not readable.
    """
    try:
        if part is Part.KEY:
            is_own = delivery.key_pem is not None and content == delivery.key_pem()
            _check_key(delivery, _load_key(content, is_own=is_own), part)
        elif part is Part.PKCS12:
            _check_pkcs12(delivery, content, passphrase)
        elif content != render(delivery, part, None):
            raise BundleError(f"{part.file_name} holds other certificates than were delivered")
    except (ValueError, TypeError) as error:
        # The library's text might repeat what it read.
        raise BundleError(f"{part.file_name} cannot be read") from error


def check_chain(delivery: Delivery) -> None:
    """Follows the chain from the certificate to the anchor: names and signatures.

    Raises:
        BundleError: it does not lead there, or there is none.
    """
    try:
        (certificate,), chain = _load((delivery.certificate_der,)), _load(delivery.chain_der)
    except (ValueError, x509.InvalidVersion) as error:
        raise BundleError("a certificate of the delivery cannot be read") from error
    if not chain or find_path(certificate, chain[:-1], chain[-1], Floor.LAB) is None:
        raise BundleError("the chain does not lead from the certificate to the trusted CA")


def _load(certificates_der: Iterable[bytes]) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(der) for der in certificates_der]


def _load_key(content: bytes, *, is_own: bool) -> object:
    """A key; one that does not come from our store is checked for use, which takes its time."""
    return load_pem_private_key(content, None, unsafe_skip_rsa_key_validation=is_own)


def _key_pem(delivery: Delivery) -> bytes:
    if delivery.key_pem is None:
        raise BundleError(
            f"the key {delivery.key_uri} does not leave its store; leave key and pkcs12 out of "
            "the parts, or choose a consumer that uses the key where it is"
        )
    return delivery.key_pem()


def _pkcs12(delivery: Delivery, passphrase: Secret | None) -> bytes:
    if not passphrase:
        raise BundleError("a PKCS#12 file needs a passphrase that is not empty")
    key = _load_key(_key_pem(delivery), is_own=True)
    assert isinstance(key, _KEY_TYPES)
    (certificate,) = _load((delivery.certificate_der,))
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_KDF_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase.reveal().encode())
    )
    return pkcs12.serialize_key_and_certificates(
        delivery.trustpoint.encode(), key, certificate, _load(delivery.chain_der), encryption
    )


def _check_pkcs12(delivery: Delivery, content: bytes, passphrase: Secret | None) -> None:
    password = passphrase.reveal().encode() if passphrase else None
    store = pkcs12.load_pkcs12(content, password)
    found = store.cert.certificate if store.cert is not None else None
    others = [entry.certificate for entry in store.additional_certs]
    wanted = _load((delivery.certificate_der, *delivery.chain_der))
    if found != wanted[0] or {*others} != {*wanted[1:]}:
        raise BundleError(f"{Part.PKCS12.file_name} holds other certificates than were delivered")
    _check_key(delivery, store.key, Part.PKCS12)


def _check_key(delivery: Delivery, key: object, part: Part) -> None:
    (certificate,) = _load((delivery.certificate_der,))
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if not isinstance(key, _KEY_TYPES) or key.public_key().public_bytes(
        *form
    ) != certificate.public_key().public_bytes(*form):
        raise BundleError(f"{part.file_name} holds a key that is not the certificate's")
