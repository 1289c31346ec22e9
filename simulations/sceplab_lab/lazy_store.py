"""A device's own software store, made when the device makes its first key.

Most devices of a rack never have a key. Until one has, there is no folder, no passphrase and no
header to write durably, which would be most of what a start costs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyInfo, KeyMover, KeyStore, StoreCapabilities
from sceplab_hsm.errors import KeyNotFoundError, StoreUnavailableError
from sceplab_hsm.moving import mover_of
from sceplab_hsm.secret import Secret


class LazyKeyStore:
    """Holds no key and costs nothing until it is asked for one, then is the store it opens.

    Args:
        uri: of the store.
        folder: where it will be; nothing is there yet.
        capabilities: of the store.
        open_store: makes and opens it; called once.
    """

    def __init__(
        self,
        uri: str,
        folder: Path,
        *,
        capabilities: StoreCapabilities,
        open_store: Callable[[], KeyStore],
    ) -> None:
        self._uri = uri
        self._folder = folder
        self._capabilities = capabilities
        self._open_store = open_store
        self._store: KeyStore | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def uri(self) -> str:
        """URI of the store."""
        return self._uri

    @property
    def identity(self) -> str:
        """The folder's name: nobody else makes a store in a device's folder."""
        return f"directory:{self._folder.absolute()}"

    def capabilities(self) -> StoreCapabilities:
        """Those of the store."""
        return self._capabilities

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """See `KeyStore.generate`. The first call makes the store."""
        return self._opened().generate(key_id, algorithm)

    def get(self, key_id: str) -> KeyHandle:
        """See `KeyStore.get`."""
        if self._is_empty():
            raise KeyNotFoundError(key_id, self._uri)
        return self._opened().get(key_id)

    def list_keys(self) -> list[KeyInfo]:
        """See `KeyStore.list_keys`."""
        return [] if self._is_empty() else self._opened().list_keys()

    def delete(self, key_id: str) -> None:
        """See `KeyStore.delete`."""
        if self._is_empty():
            raise KeyNotFoundError(key_id, self._uri)
        self._opened().delete(key_id)

    def close(self) -> None:
        """See `KeyStore.close`."""
        with self._lock:
            self._is_closed = True
            if self._store is not None:
                self._store.close()

    def generate_exportable(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """See `KeyMover.generate_exportable`. The first call makes the store."""
        return mover_of(self._opened()).generate_exportable(key_id, algorithm)

    def export_key(self, key_id: str, passphrase: Secret) -> bytes:
        """See `KeyMover.export_key`."""
        if self._is_empty():
            raise KeyNotFoundError(key_id, self._uri)
        return mover_of(self._opened()).export_key(key_id, passphrase)

    def import_key(
        self, key_id: str, pkcs8: bytes, passphrase: Secret, *, exportable: bool
    ) -> KeyHandle:
        """See `KeyMover.import_key`. The first call makes the store."""
        mover = mover_of(self._opened())
        return mover.import_key(key_id, pkcs8, passphrase, exportable=exportable)

    def _is_empty(self) -> bool:
        if self._is_closed:
            raise StoreUnavailableError(f"key store {self._uri} is closed")
        return self._store is None

    def _opened(self) -> KeyStore:
        with self._lock:
            if self._is_closed:
                raise StoreUnavailableError(f"key store {self._uri} is closed")
            if self._store is None:
                self._store = self._open_store()
            return self._store


if TYPE_CHECKING:

    def _proof(store: LazyKeyStore) -> tuple[KeyStore, KeyMover]:
        return store, store
