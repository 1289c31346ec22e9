"""Keys of the stub: making, wrapping, signing and decrypting.

A private blob is sealed with AES-GCM under a key that is derived from the chip's seed and its
storage key, and bound to the public blob; so it opens in the very chip that made it. As in a TPM it
holds one prime of an RSA key, or the scalar of an EC key, with the authorisation value.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.tpm.chip import KeyBlobs
from sceplab_hsm.tpm.stub_public import (
    CURVES,
    FIXED_HERE,
    RSA_BITS,
    STORAGE,
    Attributes,
    PublicArea,
)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ALGORITHMS = frozenset({*RSA_BITS, *CURVES})
"""What the stub makes: as swtpm, no RSA-4096."""

AUTH_LIMIT_BYTES = 32
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - chips know it, and old servers ask for it
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}

_NONCE_BYTES = 12
_SENSITIVE = struct.Struct(f">B{AUTH_LIMIT_BYTES}s")
_SMALLEST_BLOB_BYTES = 2 + _NONCE_BYTES + _SENSITIVE.size + 16


class BlobSizeError(Exception):
    """A private blob is too short to be one."""


class BlobForeignError(Exception):
    """A private blob does not open: changed, of another chip, or beside another public blob."""


@dataclass(frozen=True, slots=True)
class StubKey:
    """A key inside the chip."""

    area: PublicArea
    private_key: PrivateKey
    auth: bytes

    @property
    def counts_tries(self) -> bool:
        """Whether wrong authorisation values raise the chip's counter (``NODA`` clear)."""
        return not self.area.attributes & Attributes.NO_DA

    @property
    def is_storage(self) -> bool:
        """Whether other keys can hang under it."""
        return bool(self.area.attributes & Attributes.RESTRICTED)

    @property
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return self.area.key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def storage_key(seed: bytes) -> StubKey:
    """The storage primary: the same for the same seed."""
    curve = CURVES[KeyAlgorithm.EC_P256]
    scalar = int.from_bytes(_derive(seed, b"storage primary", 40))
    private_key = ec.derive_private_key(scalar % (curve.group_order - 1) + 1, curve)
    area = PublicArea(KeyAlgorithm.EC_P256, STORAGE, private_key.public_key())
    return StubKey(area, private_key, b"")


def make_key(algorithm: KeyAlgorithm, auth: bytes, *, counts_tries: bool) -> StubKey:
    """A new key that signs and, for RSA, decrypts."""
    attributes = FIXED_HERE | Attributes.SIGN
    if algorithm.is_rsa:
        attributes |= Attributes.DECRYPT
        key: PrivateKey = rsa.generate_private_key(65537, RSA_BITS[algorithm])
    else:
        key = ec.generate_private_key(CURVES[algorithm])
    if not counts_tries:
        attributes |= Attributes.NO_DA
    return StubKey(PublicArea(algorithm, attributes, key.public_key()), key, comparable(auth))


def comparable(auth: bytes) -> bytes:
    """An authorisation value as chips compare it: without zeros at its end."""
    return auth.rstrip(b"\0")


def wrap(key: StubKey, seed: bytes) -> KeyBlobs:
    """Blobs of a key, for this chip only."""
    public, nonce = key.area.encode(), os.urandom(_NONCE_BYTES)
    sensitive = _SENSITIVE.pack(len(key.auth), key.auth) + _secret_number(key.private_key)
    sealed = nonce + _seal(seed).encrypt(nonce, sensitive, public)
    return KeyBlobs(private=struct.pack(">H", len(sealed)) + sealed, public=public)


def unwrap(blobs: KeyBlobs, seed: bytes) -> StubKey:
    """The key behind blobs.

    Raises:
        BlobForeignError: it does not open here.
        BlobSizeError: the private blob is too short to be one.
    """
    private = blobs.private
    try:
        area = PublicArea.decode(blobs.public)
    except ValueError as error:
        raise BlobForeignError from error
    if int.from_bytes(private[:2]) + 2 != len(private):
        raise BlobForeignError
    if len(private) < _SMALLEST_BLOB_BYTES:
        raise BlobSizeError
    nonce, sealed = private[2 : 2 + _NONCE_BYTES], private[2 + _NONCE_BYTES :]
    try:
        sensitive = _seal(seed).decrypt(nonce, sealed, blobs.public)
    except InvalidTag as error:
        raise BlobForeignError from error
    size, auth = _SENSITIVE.unpack_from(sensitive)
    number = int.from_bytes(sensitive[_SENSITIVE.size :])
    return StubKey(area, _private_key(area, number), auth[:size])


def sign_digest(key: StubKey, digest: bytes, hash_name: str, scheme: str) -> bytes:
    """Signs a digest; scheme and length were checked."""
    hashed, private_key = Prehashed(HASHES[hash_name]), key.private_key
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        return private_key.sign(digest, ec.ECDSA(hashed))
    if scheme == "rsapss":
        pss = PSS(mgf=MGF1(HASHES[hash_name]), salt_length=len(digest))
        return private_key.sign(digest, pss, hashed)
    return private_key.sign(digest, PKCS1v15(), hashed)


def decrypt(
    private_key: rsa.RSAPrivateKey, ciphertext: bytes, scheme: str, hash_name: str
) -> bytes:
    """Decrypts a block as long as the modulus.

    Raises:
        ValueError: the padding is broken.
    """
    if scheme == "oaep":
        algorithm = HASHES[hash_name]
        return private_key.decrypt(ciphertext, OAEP(MGF1(algorithm), algorithm, None))
    # The library answers a broken PKCS#1 block with random bytes; a chip says that it is broken.
    block = _decrypt_raw(private_key, ciphertext)
    end = block.find(b"\0", 2)
    if block[:2] != b"\0\2" or end < 10:  # noqa: PLR2004 - at least eight bytes of padding
        raise ValueError("broken padding")
    return block[end + 1 :]


def _decrypt_raw(private_key: rsa.RSAPrivateKey, ciphertext: bytes) -> bytes:
    numbers, value = private_key.private_numbers(), int.from_bytes(ciphertext)
    if value >= numbers.public_numbers.n:
        raise ValueError("larger than the modulus")
    first = pow(value, numbers.dmp1, numbers.p)
    second = pow(value, numbers.dmq1, numbers.q)
    opened = second + numbers.q * ((first - second) * numbers.iqmp % numbers.p)
    return opened.to_bytes(len(ciphertext))


def _secret_number(key: PrivateKey) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.private_numbers().p.to_bytes(key.key_size // 16)
    return key.private_numbers().private_value.to_bytes(key.key_size // 8)


def _private_key(area: PublicArea, number: int) -> PrivateKey:
    if not isinstance(area.key, rsa.RSAPublicKey):
        return ec.derive_private_key(number, CURVES[area.algorithm])
    public = area.key.public_numbers()
    other = public.n // number
    exponent = pow(public.e, -1, (number - 1) * (other - 1))
    return rsa.RSAPrivateNumbers(
        p=number,
        q=other,
        d=exponent,
        dmp1=rsa.rsa_crt_dmp1(exponent, number),
        dmq1=rsa.rsa_crt_dmq1(exponent, other),
        iqmp=rsa.rsa_crt_iqmp(number, other),
        public_numbers=public,
    ).private_key(unsafe_skip_rsa_key_validation=True)


def _seal(seed: bytes) -> AESGCM:
    return AESGCM(_derive(seed, b"children of " + storage_key(seed).area.encode(), 32))


def _derive(seed: bytes, purpose: bytes, length: int) -> bytes:
    kdf = HKDF(hashes.SHA256(), length=length, salt=None, info=b"sceplab tpm-stub " + purpose)
    return kdf.derive(seed)
