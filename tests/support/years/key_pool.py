"""A key store that draws real keys from a pool made once, so that no time goes into making them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sceplab_hsm.api import KeyAlgorithm, KeyInfo, StoreCapabilities
from sceplab_hsm.errors import KeyExistsError, KeyNotFoundError
from tests.support.pki import rsa_key

_POOL_SIZE = 12
"""A device holds three keys at most; one that returns has been gone for many renewals."""

Step = Callable[[str], None]
"""Told of every operation, before and after it."""


@functools.cache
def key_pool() -> tuple[RSAPrivateKey, ...]:
    """The keys of this process."""
    keys = (rsa_key(f"pool {number}").private_key for number in range(_POOL_SIZE))
    return tuple(key for key in keys if isinstance(key, RSAPrivateKey))


@dataclass(frozen=True, slots=True)
class PoolKey:
    """Implements `sceplab_hsm.api.KeyHandle`."""

    key_id: str
    private_key: RSAPrivateKey
    step: Step

    @property
    def uri(self) -> str:
        """URI of the key."""
        return f"pool:#{self.key_id}"

    @property
    def algorithm(self) -> KeyAlgorithm:
        """All of the pool are alike."""
        return KeyAlgorithm.RSA_2048

    @property
    def public_key(self) -> RSAPublicKey:
        """Public half."""
        return self.private_key.public_key()

    def sign(
        self,
        data: bytes,
        hash_algorithm: hashes.HashAlgorithm,
        padding: AsymmetricPadding | None = None,
    ) -> bytes:
        """See `KeyHandle.sign`."""
        self.step("before sign")
        return self.private_key.sign(data, padding or PKCS1v15(), hash_algorithm)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """See `KeyHandle.decrypt`."""
        self.step("before decrypt")
        return self.private_key.decrypt(ciphertext, padding)


class PoolKeyStore:
    """Implements `sceplab_hsm.api.KeyStore`; outlives every process that uses it.

    Args:
        step: see `Step`; may raise, as a power cut does.
    """

    uri = "pool:"

    def __init__(self, step: Step) -> None:
        self._step = step
        self._keys: dict[str, PoolKey] = {}
        self._drawn = 0

    def capabilities(self) -> StoreCapabilities:
        """RSA alone."""
        return StoreCapabilities(
            algorithms=frozenset({KeyAlgorithm.RSA_2048}),
            keys_leave_store=False,
            supports_oaep=True,
            thread_safe=False,
        )

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> PoolKey:
        """See `KeyStore.generate`: the next key of the pool that is not in use."""
        self._step("before generate")
        if key_id in self._keys:
            raise KeyExistsError(key_id, self.uri)
        used = [key.private_key for key in self._keys.values()]
        pool = key_pool()
        free = (pool[(self._drawn + turn) % len(pool)] for turn in range(len(pool)))
        private_key = next(key for key in free if key not in used)
        self._drawn = pool.index(private_key) + 1
        key = self._keys[key_id] = PoolKey(key_id, private_key, self._step)
        self._step("after generate")
        return key

    def get(self, key_id: str) -> PoolKey:
        """See `KeyStore.get`."""
        if key_id not in self._keys:
            raise KeyNotFoundError(key_id, self.uri)
        return self._keys[key_id]

    def list_keys(self) -> list[KeyInfo]:
        """See `KeyStore.list_keys`."""
        return [
            KeyInfo(
                key_id=key_id,
                algorithm=key.algorithm,
                public_key_der=key.public_key.public_bytes(
                    Encoding.DER, PublicFormat.SubjectPublicKeyInfo
                ),
                exportable=False,
                created_at="",
            )
            for key_id, key in sorted(self._keys.items())
        ]

    def delete(self, key_id: str) -> None:
        """See `KeyStore.delete`."""
        self._step("before delete")
        self.get(key_id)
        del self._keys[key_id]
        self._step("after delete")

    def close(self) -> None:
        """Keeps everything: the next process opens the same store."""
