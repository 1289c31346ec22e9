"""Keeps what goes wrong inside a plug-in's key store from ending the program that uses it.

A store may raise `KeyStoreError` and its subclasses. Anything else is an error of the store, and
becomes one of these with the class alone: the text may quote the secret that the store was given.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
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
from sceplab_hsm.errors import KeyStoreError, StoreUnavailableError
from sceplab_hsm.moving import mover_of
from sceplab_hsm.secret import Secret


@contextlib.contextmanager
def guarded(origin: str, doing: str) -> Iterator[None]:
    """Around a call into a store.

    Args:
        origin: names the store, for the text.
        doing: what it was asked to do.

    Raises:
        StoreUnavailableError: it raised something that it may not.
    """
    try:
        yield
    except KeyStoreError:
        raise
    except Exception as error:
        raise StoreUnavailableError(
            f"{origin} failed to {doing}: {type(error).__name__}; tell its author"
        ) from error


class GuardedKeyStore:
    """Passes every call on.

    Args:
        store: of a plug-in.
        origin: names it, for error texts.
    """

    def __init__(self, store: KeyStore, origin: str) -> None:
        self._store = store
        self._origin = origin

    @property
    def uri(self) -> str:
        """URI of the store."""
        with guarded(self._origin, "tell its URI"):
            return self._store.uri

    @property
    def identity(self) -> object:
        """That of the store, if it has one."""
        with guarded(self._origin, "tell its identity"):
            return getattr(self._store, "identity", "")

    def capabilities(self) -> StoreCapabilities:
        """Those of the store."""
        with guarded(self._origin, "tell what it can do"):
            return self._store.capabilities()

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """See `KeyStore.generate`."""
        with guarded(self._origin, "make a key"):
            return GuardedKeyHandle(self._store.generate(key_id, algorithm), self._origin)

    def get(self, key_id: str) -> KeyHandle:
        """See `KeyStore.get`."""
        with guarded(self._origin, "find a key"):
            return GuardedKeyHandle(self._store.get(key_id), self._origin)

    def list_keys(self) -> list[KeyInfo]:
        """See `KeyStore.list_keys`."""
        with guarded(self._origin, "list its keys"):
            return self._store.list_keys()

    def delete(self, key_id: str) -> None:
        """See `KeyStore.delete`."""
        with guarded(self._origin, "delete a key"):
            self._store.delete(key_id)

    def generate_exportable(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """See `KeyMover.generate_exportable`."""
        with guarded(self._origin, "make a key"):
            handle = mover_of(self._store).generate_exportable(key_id, algorithm)
            return GuardedKeyHandle(handle, self._origin)

    def export_key(self, key_id: str, passphrase: Secret) -> bytes:
        """See `KeyMover.export_key`."""
        with guarded(self._origin, "export a key"):
            return mover_of(self._store).export_key(key_id, passphrase)

    def import_key(
        self, key_id: str, pkcs8: bytes, passphrase: Secret, *, exportable: bool
    ) -> KeyHandle:
        """See `KeyMover.import_key`."""
        with guarded(self._origin, "import a key"):
            mover = mover_of(self._store)
            handle = mover.import_key(key_id, pkcs8, passphrase, exportable=exportable)
            return GuardedKeyHandle(handle, self._origin)

    def close(self) -> None:
        """See `KeyStore.close`."""
        with guarded(self._origin, "close"):
            self._store.close()


class GuardedKeyHandle:
    """A key of such a store.

    Args:
        handle: of the store.
        origin: names the store.
    """

    def __init__(self, handle: KeyHandle, origin: str) -> None:
        self._handle = handle
        self._origin = origin

    @property
    def key_id(self) -> str:
        """Name of the key."""
        with guarded(self._origin, "name a key"):
            return self._handle.key_id

    @property
    def uri(self) -> str:
        """URI of the key."""
        with guarded(self._origin, "tell a key's URI"):
            return self._handle.uri

    @property
    def algorithm(self) -> KeyAlgorithm:
        """Type and size."""
        with guarded(self._origin, "tell a key's type"):
            return self._handle.algorithm

    @property
    def public_key(self) -> RSAPublicKey | EllipticCurvePublicKey:
        """Public half."""
        with guarded(self._origin, "show a public key"):
            return self._handle.public_key

    def sign(
        self,
        data: bytes,
        hash_algorithm: hashes.HashAlgorithm,
        padding: AsymmetricPadding | None = None,
    ) -> bytes:
        """See `KeyHandle.sign`."""
        with guarded(self._origin, "sign"):
            if padding is None:
                return self._handle.sign(data, hash_algorithm)
            return self._handle.sign(data, hash_algorithm, padding)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """See `KeyHandle.decrypt`."""
        with guarded(self._origin, "decrypt"):
            return self._handle.decrypt(ciphertext, padding)

    def __reduce__(self) -> str:
        raise TypeError("a key handle is not pickled; pass its URI")


if TYPE_CHECKING:

    def _proof(store: GuardedKeyStore) -> tuple[KeyStore, KeyMover]:
        return store, store
