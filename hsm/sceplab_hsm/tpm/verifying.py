"""Checks of signatures with public keys, on this side of the chip."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sceplab_hsm.errors import KeyDamagedError
from sceplab_hsm.stored_key import PublicKey


def load_public_key(public_key_der: bytes) -> PublicKey:
    """The public key of a SubjectPublicKeyInfo.

    Raises:
        KeyDamagedError: not DER, or of another type than chips make.
    """
    try:
        public_key = load_der_public_key(public_key_der)
    except ValueError as error:
        raise KeyDamagedError("its public key is not readable") from error
    if not isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise KeyDamagedError("its public key is neither RSA nor EC")
    return public_key


def is_signed(public_key_der: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the signature (SHA-256; PKCS#1 v1.5 or ECDSA) over the data is this key's."""
    digest = hash_of(data, hashes.SHA256())
    return is_signed_digest(
        load_public_key(public_key_der), signature, digest, hashes.SHA256(), PKCS1v15()
    )


def is_signed_digest(
    public_key: PublicKey,
    signature: bytes,
    digest: bytes,
    hash_algorithm: hashes.HashAlgorithm,
    padding: AsymmetricPadding,
) -> bool:
    """Whether the signature over the digest is this key's.

    Args:
        public_key: of the key.
        signature: as the chip gave it; ECDSA in DER.
        digest: of the data.
        hash_algorithm: that made the digest.
        padding: for RSA only.
    """
    hashed = Prehashed(hash_algorithm)
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, digest, padding, hashed)
        else:
            public_key.verify(signature, digest, ec.ECDSA(hashed))
    except InvalidSignature:
        return False
    return True


def hash_of(data: bytes, hash_algorithm: hashes.HashAlgorithm) -> bytes:
    """Digest of the data."""
    hashing = hashes.Hash(hash_algorithm)
    hashing.update(data)
    return hashing.finalize()
