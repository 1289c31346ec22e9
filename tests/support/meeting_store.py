"""A key store in which signatures meet: races that happen every time.

Callers of ``sign`` with one chosen key wait for each other, so that several threads stand at the
same point before any of them goes on.
"""

from __future__ import annotations

import threading

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyInfo, KeyStore, StoreCapabilities

_TIMEOUT_S = 20


class MeetingStore:
    """Another store, with one key whose signatures meet.

    Args:
        store: does the work.
        key_id: name of that key.
    """

    def __init__(self, store: KeyStore, key_id: str) -> None:
        self._store = store
        self._key_id = key_id
        self._barrier: threading.Barrier | None = None
        self.met = 0
        """How many have met."""

    def expect(self, count: int) -> None:
        """From now on, the next ``count`` signatures wait for each other."""
        self._barrier = threading.Barrier(count, action=self._end)

    def _end(self) -> None:
        assert self._barrier is not None
        self.met += self._barrier.parties
        self._barrier = None

    def meet(self) -> None:
        """Waits for the others, if any are expected."""
        barrier = self._barrier
        if barrier is not None:
            barrier.wait(_TIMEOUT_S)

    @property
    def uri(self) -> str:
        """URI of the other store."""
        return self._store.uri

    def capabilities(self) -> StoreCapabilities:
        """Those of the other store."""
        return self._store.capabilities()

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """A new key of the other store."""
        return self._wrap(self._store.generate(key_id, algorithm))

    def get(self, key_id: str) -> KeyHandle:
        """A key of the other store."""
        return self._wrap(self._store.get(key_id))

    def _wrap(self, handle: KeyHandle) -> KeyHandle:
        return _MeetingHandle(self, handle) if handle.key_id == self._key_id else handle

    def list_keys(self) -> list[KeyInfo]:
        """Keys of the other store."""
        return self._store.list_keys()

    def delete(self, key_id: str) -> None:
        """Removes a key from the other store."""
        self._store.delete(key_id)

    def close(self) -> None:
        """Leaves the other store open: others share it."""


class _MeetingHandle:
    def __init__(self, store: MeetingStore, handle: KeyHandle) -> None:
        self._store = store
        self._handle = handle

    @property
    def key_id(self) -> str:
        return self._handle.key_id

    @property
    def uri(self) -> str:
        return self._handle.uri

    @property
    def algorithm(self) -> KeyAlgorithm:
        return self._handle.algorithm

    @property
    def public_key(self) -> RSAPublicKey | EllipticCurvePublicKey:
        return self._handle.public_key

    def sign(self, data: bytes, hash_algorithm: hashes.HashAlgorithm) -> bytes:
        signature = self._handle.sign(data, hash_algorithm)
        self._store.meet()
        return signature

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        return self._handle.decrypt(ciphertext, padding)
