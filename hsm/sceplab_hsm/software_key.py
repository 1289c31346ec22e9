"""Handles of the software store: they use a private key through a loader, they never hold it."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import OAEP, AsymmetricPadding, PKCS1v15

from sceplab_hsm.api import KeyInfo
from sceplab_hsm.errors import KeyStoreError, MechanismUnsupportedError
from sceplab_hsm.moving import PrivateKey
from sceplab_hsm.stored_key import PublicKey, StoredKey

_PKCS1V15 = PKCS1v15()


class SoftwareKeyHandle(StoredKey):
    """One key of an open software store; dead when the store is closed or the key deleted.

    Args:
        store_uri: of the store.
        info: of the key.
        public_key: of the key.
        load: gives the private key for one use, or raises what the handle's caller shall see.
    """

    __slots__ = ("_load",)

    def __init__(
        self,
        *,
        store_uri: str,
        info: KeyInfo,
        public_key: PublicKey,
        load: Callable[[KeyInfo], PrivateKey],
    ) -> None:
        super().__init__(store_uri=store_uri, info=info, public_key=public_key)
        self._load = load

    def sign(
        self,
        data: bytes,
        hash_algorithm: hashes.HashAlgorithm,
        padding: AsymmetricPadding | None = None,
    ) -> bytes:
        """Signature over ``data``: PKCS#1 v1.5 or PSS for RSA, DER-encoded ECDSA for EC.

        Raises:
            MechanismUnsupportedError: the library lacks this hash, or the key this padding.
            KeyStoreError: the store is closed or the key is gone or damaged.
        """
        private_key = self._load(self._info)
        try:
            if isinstance(private_key, rsa.RSAPrivateKey):
                return private_key.sign(data, padding or _PKCS1V15, hash_algorithm)
            if padding is not None:
                raise ValueError("an EC key signs without padding")
            return private_key.sign(data, ec.ECDSA(hash_algorithm))
        except (UnsupportedAlgorithm, ValueError, TypeError) as error:
            raise MechanismUnsupportedError(
                f"key '{self.key_id}' cannot sign with {hash_algorithm.name}"
            ) from error

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """RSA decryption (PKCS#1 v1.5 or OAEP).

        A damaged PKCS#1 v1.5 block may come back as random bytes: OpenSSL hides the failure.

        Raises:
            MechanismUnsupportedError: an EC key, or another padding.
            KeyStoreError: every other failure, without telling one from another.
        """
        private_key = self._load(self._info)
        if not isinstance(private_key, rsa.RSAPrivateKey):
            raise MechanismUnsupportedError(f"key '{self.key_id}' is an EC key; it cannot decrypt")
        if not isinstance(padding, PKCS1v15 | OAEP):
            raise MechanismUnsupportedError(f"no decryption with padding {padding.name}")
        try:
            return private_key.decrypt(ciphertext, padding)
        except UnsupportedAlgorithm as error:
            raise MechanismUnsupportedError("no OAEP with this hash") from error
        except Exception:
            # One text and no cause for every failure: what went wrong would help an attacker.
            raise KeyStoreError("decryption failed") from None
