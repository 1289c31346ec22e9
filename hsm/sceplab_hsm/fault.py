"""A key store in which things go wrong on purpose. URI ``fault+SCHEME:...?fault=...``.

It wraps any store the registry opens; the grammar of the faults is in `sceplab_hsm.fault_spec`.
For tests and scenarios only: it disturbs, it does not protect. Without a fault it changes nothing
but URIs. Every error that it raises says that it was injected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_hsm.api import (
    Clock,
    KeyAlgorithm,
    KeyHandle,
    KeyInfo,
    KeyMover,
    KeyStore,
    SecretProvider,
    StoreCapabilities,
    StoreFactory,
)
from sceplab_hsm.errors import LockoutError, StoreLockedError
from sceplab_hsm.fault_plan import FaultPlan, injected
from sceplab_hsm.fault_spec import FaultUri, Operation, wrapped_uri
from sceplab_hsm.moving import mover_of
from sceplab_hsm.registry import identity_of, open_key_store
from sceplab_hsm.secret import Secret
from sceplab_hsm.uri import join_key_uri

Result = TypeVar("Result")


class FaultyKeyStore:
    """Another store, disturbed.

    Args:
        store: does the work.
        faults: decide what goes wrong; tests arm more of them here while the store is open.
        uri: of this store; ``None``: that of the other one, which then shows no faults.
    """

    def __init__(self, store: KeyStore, faults: FaultPlan, *, uri: str | None = None) -> None:
        self._store = store
        self._uri = uri or store.uri
        self.faults = faults

    @property
    def uri(self) -> str:
        """URI the store was opened with, faults included."""
        return self._uri

    @property
    def identity(self) -> str:
        """That of the other store."""
        return identity_of(self._store)

    def capabilities(self) -> StoreCapabilities:
        """Those of the other store."""
        return self._store.capabilities()

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """Makes a key in the other store, or fails."""
        handle = self._run(Operation.GENERATE, lambda: self._store.generate(key_id, algorithm))
        return self._wrap(handle)

    def get(self, key_id: str) -> KeyHandle:
        """Finds a key in the other store, or fails."""
        return self._wrap(self._run(Operation.GET, lambda: self._store.get(key_id)))

    def list_keys(self) -> list[KeyInfo]:
        """Keys of the other store, or a failure."""
        return self._run(Operation.LIST, self._store.list_keys)

    def delete(self, key_id: str) -> None:
        """Destroys a key in the other store, or fails."""
        self._run(Operation.DELETE, lambda: self._store.delete(key_id))

    def generate_exportable(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """Makes an exportable key in the other store, or fails."""
        mover = mover_of(self._store)
        return self._wrap(
            self._run(Operation.GENERATE, lambda: mover.generate_exportable(key_id, algorithm))
        )

    def export_key(self, key_id: str, passphrase: Secret) -> bytes:
        """Gives a key of the other store out, or fails."""
        mover = mover_of(self._store)
        return self._run(Operation.EXPORT, lambda: mover.export_key(key_id, passphrase))

    def import_key(
        self, key_id: str, pkcs8: bytes, passphrase: Secret, *, exportable: bool
    ) -> KeyHandle:
        """Takes a key into the other store, or fails."""
        mover = mover_of(self._store)
        return self._wrap(
            self._run(
                Operation.IMPORT,
                lambda: mover.import_key(key_id, pkcs8, passphrase, exportable=exportable),
            )
        )

    def close(self) -> None:
        """Closes the other store; this never fails."""
        self._store.close()

    def _wrap(self, handle: KeyHandle) -> FaultyKeyHandle:
        return FaultyKeyHandle(handle, self._uri, self._run)

    def _run(self, operation: Operation, work: Callable[[], Result]) -> Result:
        lost = self.faults.check(operation, self._uri)
        result = work()
        if lost is not None:
            raise injected(lost.kind, self._uri, lost.text)
        return result


class FaultyKeyHandle:
    """A key of a disturbed store.

    Args:
        handle: of the other store.
        store_uri: of the disturbed one.
        run: carries an operation out, or fails.
    """

    __slots__ = ("_handle", "_run", "_store_uri")

    def __init__(
        self,
        handle: KeyHandle,
        store_uri: str,
        run: Callable[[Operation, Callable[[], bytes]], bytes],
    ) -> None:
        self._handle = handle
        self._store_uri = store_uri
        self._run = run

    @property
    def key_id(self) -> str:
        """Name of the key inside its store."""
        return self._handle.key_id

    @property
    def uri(self) -> str:
        """URI of the key, faults included."""
        return join_key_uri(self._store_uri, self._handle.key_id)

    @property
    def algorithm(self) -> KeyAlgorithm:
        """Type and size."""
        return self._handle.algorithm

    @property
    def public_key(self) -> RSAPublicKey | EllipticCurvePublicKey:
        """Public half."""
        return self._handle.public_key

    def sign(
        self,
        data: bytes,
        hash_algorithm: hashes.HashAlgorithm,
        padding: AsymmetricPadding | None = None,
    ) -> bytes:
        """Signs with the other store's key, or fails."""
        return self._run(Operation.SIGN, lambda: self._handle.sign(data, hash_algorithm, padding))

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """Decrypts with the other store's key, or fails."""
        return self._run(Operation.DECRYPT, lambda: self._handle.decrypt(ciphertext, padding))

    def __reduce__(self) -> str:
        raise TypeError("a key handle is not pickled; pass its URI")


def open_store(
    uri: str, secrets: SecretProvider, *, create: bool = False, now: Clock | None = None
) -> FaultyKeyStore:
    """Opens the store behind the prefix, or fails as the faults say.

    Args:
        uri: ``fault+SCHEME:...``.
        secrets: for the inner store.
        create: make the inner store when there is none.
        now: for the inner store.

    Raises:
        StoreUriError: a fault or the inner URI is wrong.
        KeyStoreError: injected, or of the inner store.
    """
    parsed = FaultUri.parse(uri)
    faults = FaultPlan(parsed.faults, seed=parsed.seed, state_path=parsed.state_path)
    lost = None
    try:
        lost = faults.check(Operation.OPEN, uri)
        store = open_key_store(parsed.inner, secrets, create=create, now=now)
    except LockoutError:
        raise
    except StoreLockedError:
        faults.note_opening(wrong_pin=True)
        raise
    faults.note_opening(wrong_pin=False)
    if lost is not None:
        store.close()
        raise injected(lost.kind, uri, lost.text)
    return FaultyKeyStore(store, faults, uri=wrapped_uri(store.uri, uri))


if TYPE_CHECKING:
    _PROOF: StoreFactory = open_store  # store, handles and factory fit the interface

    def _proof(store: FaultyKeyStore) -> KeyMover:
        return store
