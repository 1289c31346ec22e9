"""Handles of TPM keys: they hash and choose the scheme, the chip signs and decrypts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    OAEP,
    PSS,
    AsymmetricPadding,
    PKCS1v15,
)

from sceplab_hsm.api import KeyInfo
from sceplab_hsm.errors import KeyStoreError, MechanismUnsupportedError
from sceplab_hsm.stored_key import PublicKey, StoredKey
from sceplab_hsm.tpm.chip import TpmChip, TpmError
from sceplab_hsm.tpm.response import is_about_access
from sceplab_hsm.tpm.session import KeyDisplacedError
from sceplab_hsm.tpm.verifying import hash_of, is_signed_digest

Result = TypeVar("Result")

_HASHES = frozenset({"sha1", "sha256", "sha384", "sha512"})


class UseKey(Protocol):
    """Runs a piece of work with a key of an open store."""

    def __call__(self, info: KeyInfo, work: Callable[[TpmChip, int, bytes], Result], /) -> Result:
        """Loads the key; the work gets chip, handle and authorisation value."""


class TpmKeyHandle(StoredKey):
    """One key of an open TPM store; dead when the store is closed or the key deleted.

    Args:
        store_uri: of the store.
        info: of the key.
        public_key: of the key.
        use: runs work with the key, or raises what the handle's caller shall see.
    """

    __slots__ = ("_use",)

    def __init__(
        self, *, store_uri: str, info: KeyInfo, public_key: PublicKey, use: UseKey
    ) -> None:
        super().__init__(store_uri=store_uri, info=info, public_key=public_key)
        self._use = use

    def sign(
        self,
        data: bytes,
        hash_algorithm: hashes.HashAlgorithm,
        padding: AsymmetricPadding | None = None,
    ) -> bytes:
        """Signature over ``data``: PKCS#1 v1.5 or PSS for RSA, DER-encoded ECDSA for EC.

        It is checked with the public key before it is given out.

        Raises:
            MechanismUnsupportedError: a hash or padding that the key or the chip lacks.
            KeyStoreError: the store is closed, the key gone, the chip away or unwilling.
        """
        scheme = self._signature_scheme(hash_algorithm, padding)
        return self._use(
            self._info,
            lambda chip, handle, auth: signed(
                chip,
                handle,
                auth,
                public_key=self._public_key,
                digest=hash_of(data, hash_algorithm),
                hash_algorithm=hash_algorithm,
                scheme=scheme,
            ),
        )

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """RSA decryption (PKCS#1 v1.5 or OAEP).

        Raises:
            MechanismUnsupportedError: an EC key, or another padding.
            KeyStoreError: every other failure of the ciphertext, without telling one from another;
                its subclasses when the chip is away or unwilling.
        """
        public_key = self._public_key
        if not isinstance(public_key, rsa.RSAPublicKey):
            raise MechanismUnsupportedError(f"key '{self.key_id}' is an EC key; it cannot decrypt")
        scheme, hash_name = _encryption_scheme(padding)
        is_whole = len(ciphertext) == public_key.key_size // 8

        def work(chip: TpmChip, handle: int, auth: bytes) -> bytes | None:
            if not is_whole:
                return None
            try:
                return chip.rsa_decrypt(
                    handle, ciphertext, scheme=scheme, hash_name=hash_name, auth=auth
                )
            except TpmError as error:
                if is_about_access(error):
                    raise
                # Some chips call bad padding a failure of the whole TPM (0x101): one that has
                # really failed does not answer this either.
                if chip.public_key_der(handle) != self._info.public_key_der:
                    raise KeyDisplacedError from error
                return None

        opened = self._use(self._info, work)
        if opened is None:
            # One text and no cause for every failure: what went wrong would help an attacker.
            raise KeyStoreError("decryption failed")
        return opened

    def _signature_scheme(
        self, hash_algorithm: hashes.HashAlgorithm, padding: AsymmetricPadding | None
    ) -> str:
        is_rsa = self._info.algorithm.is_rsa
        if hash_algorithm.name in _HASHES:
            if not is_rsa and padding is None:
                return "ecdsa"
            if is_rsa and (padding is None or isinstance(padding, PKCS1v15)):
                return "rsassa"
            if is_rsa and isinstance(padding, PSS) and _is_plain_pss(padding, hash_algorithm):
                return "rsapss"
        name = "" if padding is None else f" and {padding.name}"
        raise MechanismUnsupportedError(
            f"key '{self.key_id}' cannot sign with {hash_algorithm.name}{name}"
        )


class _EncryptionScheme(NamedTuple):
    name: str
    hash_name: str


def signed(
    chip: TpmChip,
    handle: int,
    auth: bytes,
    *,
    public_key: PublicKey,
    digest: bytes,
    hash_algorithm: hashes.HashAlgorithm,
    scheme: str,
) -> bytes:
    """A signature by a loaded key, checked with its public key.

    Raises:
        KeyDisplacedError: it is another key's, or none.
        TpmError: the chip refuses.
        TpmGoneError: the chip is away.
    """
    signature = chip.sign(handle, digest, hash_algorithm.name, scheme=scheme, auth=auth)
    padding: AsymmetricPadding = PKCS1v15()
    if scheme == "rsapss":
        padding = PSS(mgf=MGF1(hash_algorithm), salt_length=hash_algorithm.digest_size)
    if not is_signed_digest(public_key, signature, digest, hash_algorithm, padding):
        raise KeyDisplacedError
    return signature


def _encryption_scheme(padding: AsymmetricPadding) -> _EncryptionScheme:
    if isinstance(padding, PKCS1v15):
        return _EncryptionScheme("rsaes", "")
    if isinstance(padding, OAEP):
        hash_name = padding.algorithm.name
        mask = padding.mgf
        is_plain = isinstance(mask, MGF1) and mask._algorithm.name == hash_name
        if is_plain and not padding._label and hash_name in _HASHES:
            return _EncryptionScheme("oaep", hash_name)
    raise MechanismUnsupportedError(f"no decryption with this form of padding {padding.name}")


def _is_plain_pss(padding: PSS, hash_algorithm: hashes.HashAlgorithm) -> bool:
    mask = padding.mgf
    return (
        isinstance(mask, MGF1)
        and mask._algorithm.name == hash_algorithm.name
        and padding._salt_length in (hash_algorithm.digest_size, PSS.DIGEST_LENGTH)
    )
