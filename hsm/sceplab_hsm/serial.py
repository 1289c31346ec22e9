"""A key store that one thread at a time may use, made fit for programs that have several."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_hsm.api import (
    KeyAlgorithm,
    KeyHandle,
    KeyInfo,
    KeyMover,
    KeyStore,
    StoreCapabilities,
)
from sceplab_hsm.moving import mover_of
from sceplab_hsm.registry import identity_of
from sceplab_hsm.secret import Secret


def for_threads(store: KeyStore) -> KeyStore:
    """The store itself where it is made for threads, else one call at a time."""
    return store if store.capabilities().thread_safe else SerialKeyStore(store)


class SerialKeyStore:
    """Passes every call on, one at a time, those of its handles too.

    Args:
        store: says that it is not for threads.
    """

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._lock = threading.RLock()

    @property
    def uri(self) -> str:
        """URI of the store."""
        return self._store.uri

    @property
    def identity(self) -> str:
        """That of the store."""
        return identity_of(self._store)

    def capabilities(self) -> StoreCapabilities:
        """Those of the store."""
        with self._lock:
            return self._store.capabilities()

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """See `KeyStore.generate`."""
        with self._lock:
            return SerialKeyHandle(self._store.generate(key_id, algorithm), self._lock)

    def get(self, key_id: str) -> KeyHandle:
        """See `KeyStore.get`."""
        with self._lock:
            return SerialKeyHandle(self._store.get(key_id), self._lock)

    def list_keys(self) -> list[KeyInfo]:
        """See `KeyStore.list_keys`."""
        with self._lock:
            return self._store.list_keys()

    def delete(self, key_id: str) -> None:
        """See `KeyStore.delete`."""
        with self._lock:
            self._store.delete(key_id)

    def generate_exportable(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """See `KeyMover.generate_exportable`."""
        with self._lock:
            handle = mover_of(self._store).generate_exportable(key_id, algorithm)
            return SerialKeyHandle(handle, self._lock)

    def export_key(self, key_id: str, passphrase: Secret) -> bytes:
        """See `KeyMover.export_key`."""
        with self._lock:
            return mover_of(self._store).export_key(key_id, passphrase)

    def import_key(
        self, key_id: str, pkcs8: bytes, passphrase: Secret, *, exportable: bool
    ) -> KeyHandle:
        """See `KeyMover.import_key`."""
        with self._lock:
            mover = mover_of(self._store)
            handle = mover.import_key(key_id, pkcs8, passphrase, exportable=exportable)
            return SerialKeyHandle(handle, self._lock)

    def close(self) -> None:
        """See `KeyStore.close`."""
        with self._lock:
            self._store.close()


class SerialKeyHandle:
    """A key of such a store.

    Args:
        handle: of the store.
        lock: that of the store.
    """

    def __init__(self, handle: KeyHandle, lock: AbstractContextManager[object]) -> None:
        self._handle = handle
        self._lock = lock

    @property
    def key_id(self) -> str:
        """Name of the key."""
        return self._handle.key_id

    @property
    def uri(self) -> str:
        """URI of the key."""
        return self._handle.uri

    @property
    def algorithm(self) -> KeyAlgorithm:
        """Type and size."""
        return self._handle.algorithm

    @property
    def public_key(self) -> RSAPublicKey | EllipticCurvePublicKey:
        """Public half."""
        with self._lock:
            return self._handle.public_key

    def sign(
        self,
        data: bytes,
        hash_algorithm: hashes.HashAlgorithm,
        padding: AsymmetricPadding | None = None,
    ) -> bytes:
        """See `KeyHandle.sign`."""
        with self._lock:
            return self._handle.sign(data, hash_algorithm, padding)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """See `KeyHandle.decrypt`."""
        with self._lock:
            return self._handle.decrypt(ciphertext, padding)


if TYPE_CHECKING:

    def _proof(store: SerialKeyStore) -> tuple[KeyStore, KeyMover]:
        return store, store
