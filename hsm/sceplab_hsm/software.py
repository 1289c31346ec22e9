"""The software key store: a directory of sealed key files. URI ``soft:PATH[?kdf=standard|lab]``.

It protects keys at rest as well as its passphrase does, and no better: whoever has both the
directory and the passphrase has the keys, and an opened store holds them in this process's memory.
``kdf=lab`` makes a new store that opens at once and can be guessed as fast; an existing store keeps
what it was made with.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sceplab_hsm.api import (
    Clock,
    KeyAlgorithm,
    KeyInfo,
    KeyMover,
    SecretProvider,
    StoreCapabilities,
    StoreFactory,
)
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyExistsError,
    KeyMoveError,
    KeyNotFoundError,
    KeyStoreError,
    StoreLockedError,
    StoreUnavailableError,
    StoreUriError,
)
from sceplab_hsm.files import (
    create_private,
    directory_identity,
    file_identity,
    make_private_directory,
    names_in,
    read_private,
    remove,
)
from sceplab_hsm.keyfile import KEY_FILE_LIMIT_BYTES, KeyFile, decode_key_file, encode_key_file
from sceplab_hsm.moving import PrivateKey, algorithm_of, decrypt_key, encrypt_key
from sceplab_hsm.sealing import Seal
from sceplab_hsm.secret import Secret
from sceplab_hsm.software_key import SoftwareKeyHandle
from sceplab_hsm.store_header import (
    HEADER_LIMIT_BYTES,
    HEADER_NAME,
    KEY_SUFFIX,
    StoreHeader,
    Stretching,
    create_header,
    find_header,
    write_header,
)
from sceplab_hsm.stored_key import PublicKey
from sceplab_hsm.uri import DirectoryUri, check_key_id

CAPABILITIES = StoreCapabilities(
    algorithms=frozenset(KeyAlgorithm),
    keys_leave_store=True,
    supports_oaep=True,
    thread_safe=True,
    supports_pss=True,
    moves_keys=True,
)
"""What every store of this kind can do, open or not."""

_MAX_LOADED_KEYS = 64
_RSA_BITS = {
    KeyAlgorithm.RSA_2048: 2048,
    KeyAlgorithm.RSA_3072: 3072,
    KeyAlgorithm.RSA_4096: 4096,
}
_CURVES: dict[KeyAlgorithm, type[ec.EllipticCurve]] = {
    KeyAlgorithm.EC_P256: ec.SECP256R1,
    KeyAlgorithm.EC_P384: ec.SECP384R1,
}


@dataclass(frozen=True, slots=True)
class _LoadedKey:
    """A key in memory, and the file it came from."""

    path: str
    file_identity: tuple[int, int]
    info: KeyInfo
    private_key: PrivateKey

    def is_in_place(self) -> bool:
        """Whether that file is still there: asked before every use, so it has to be quick."""
        try:
            return file_identity(os.lstat(self.path)) == self.file_identity
        except OSError:
            return False


class SoftwareKeyStore:
    """An opened directory of sealed keys. Make it with `open_store`.

    Threads and processes may share the directory: every write is whole, none replaces another.

    Args:
        uri: as opened.
        directory: where the files are.
        header: of the store.
        seal: unlocked.
        now: stamps new keys; ``None`` leaves ``created_at`` empty.
    """

    def __init__(
        self, *, uri: str, directory: Path, header: StoreHeader, seal: Seal, now: Clock | None
    ) -> None:
        self._uri = uri
        self._directory = directory
        self._header = header
        self._seal: Seal | None = seal
        self._now = now
        self._identity = directory_identity(directory)
        self._loaded: OrderedDict[str, _LoadedKey] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        """URI the store was opened with."""
        return self._uri

    @property
    def identity(self) -> str:
        """The directory, however its name was written."""
        return self._identity

    def capabilities(self) -> StoreCapabilities:
        """All algorithms, both paddings, any number of threads; keys are as safe as the files."""
        return CAPABILITIES

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> SoftwareKeyHandle:
        """Makes a key; its file is durable when this returns.

        Raises:
            StoreUriError: not a key's name.
            KeyExistsError: the name is taken. Nothing is replaced.
            StoreUnavailableError: closed, replaced by another store, or not writable.
        """
        self._require_free(key_id)
        return self._keep(key_id, algorithm, _generate(algorithm), exportable=False)

    def generate_exportable(self, key_id: str, algorithm: KeyAlgorithm) -> SoftwareKeyHandle:
        """See `KeyMover.generate_exportable`."""
        self._require_free(key_id)
        return self._keep(key_id, algorithm, _generate(algorithm), exportable=True)

    def export_key(self, key_id: str, passphrase: Secret) -> bytes:
        """See `KeyMover.export_key`."""
        loaded = self._load(key_id)
        if not loaded.info.exportable:
            raise KeyMoveError(f"key '{key_id}' in {self._uri} is not exportable")
        return encrypt_key(loaded.private_key, passphrase)

    def import_key(
        self, key_id: str, pkcs8: bytes, passphrase: Secret, *, exportable: bool
    ) -> SoftwareKeyHandle:
        """See `KeyMover.import_key`."""
        self._require_free(key_id)
        private_key = decrypt_key(pkcs8, passphrase)
        algorithm = algorithm_of(private_key)
        return self._keep(key_id, algorithm, private_key, exportable=exportable)

    def _keep(
        self, key_id: str, algorithm: KeyAlgorithm, private_key: PrivateKey, *, exportable: bool
    ) -> SoftwareKeyHandle:
        """Seals a new key into its file."""
        path, seal = self._path_of(key_id), self._require_open()
        public_key = private_key.public_key()
        info = KeyInfo(
            key_id=key_id,
            algorithm=algorithm,
            public_key_der=public_key.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            exportable=exportable,
            created_at="" if self._now is None else _timestamp(self._now),
        )
        private_key_der = private_key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._require_same_store()
        try:
            create_private(
                path, encode_key_file(info, private_key_der, seal, self._header.store_id)
            )
        except FileExistsError as error:
            raise KeyExistsError(key_id, self._uri) from error
        except FileNotFoundError as error:
            raise self._gone() from error
        return self._handle(info, public_key)

    def get(self, key_id: str) -> SoftwareKeyHandle:
        """Finds a key and opens its seal.

        Raises:
            StoreUriError: not a key's name.
            KeyNotFoundError: no such key.
            KeyDamagedError: its file was changed.
        """
        loaded = self._load(key_id)
        return self._handle(loaded.info, loaded.private_key.public_key())

    def list_keys(self) -> list[KeyInfo]:
        """All keys, sorted by name; no private part is opened.

        Raises:
            KeyDamagedError: the metadata of one was changed; the others can still be used.
        """
        self._require_open()
        try:
            names = names_in(self._directory, KEY_SUFFIX)
        except FileNotFoundError as error:
            raise self._gone() from error
        infos = []
        for name in names:
            try:
                infos.append(self._read(name)[0].info)
            except KeyNotFoundError:
                continue  # deleted since the directory was read
            except StoreUriError as error:
                raise KeyDamagedError(f"{name}{KEY_SUFFIX} is no key of {self._uri}") from error
        return infos

    def delete(self, key_id: str) -> None:
        """Removes a key's file, durably. Backups of it are not reached.

        Raises:
            StoreUriError: not a key's name.
            KeyNotFoundError: no such key.
        """
        path = self._path_of(key_id)
        self._require_open()
        with self._lock:
            self._loaded.pop(key_id, None)
        try:
            remove(path)
        except FileNotFoundError as error:
            raise self._missing(key_id) from error

    def close(self) -> None:
        """Forgets the derived key and all loaded keys."""
        with self._lock:
            self._seal = None
            self._loaded.clear()

    def _handle(self, info: KeyInfo, public_key: PublicKey) -> SoftwareKeyHandle:
        return SoftwareKeyHandle(
            store_uri=self._uri, info=info, public_key=public_key, load=self._private_key
        )

    def _private_key(self, info: KeyInfo) -> PrivateKey:
        loaded = self._load(info.key_id)
        if loaded.info.public_key_der != info.public_key_der:
            # Deleted, and another key bears the name now: the handle's own key is gone.
            raise KeyNotFoundError(info.key_id, self._uri)
        return loaded.private_key

    def _load(self, key_id: str) -> _LoadedKey:
        with self._lock:
            loaded = self._loaded.get(key_id)
            if loaded is not None and loaded.is_in_place():
                self._loaded.move_to_end(key_id)
                return loaded
        path, seal = self._path_of(key_id), self._require_open()
        key_file, status = self._read(key_id)
        try:
            # The seal has proved that these bytes are what we wrote: no need for OpenSSL to prove
            # the primes again, which costs more than a hundred signatures.
            private_key = serialization.load_der_private_key(
                key_file.open(seal), None, unsafe_skip_rsa_key_validation=True
            )
        except KeyDamagedError as error:
            raise KeyDamagedError(f"key '{key_id}' in {path} is damaged: {error}") from error
        assert isinstance(private_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        loaded = _LoadedKey(os.fspath(path), file_identity(status), key_file.info, private_key)
        with self._lock:
            if self._seal is not None:
                self._loaded[key_id] = loaded
                if len(self._loaded) > _MAX_LOADED_KEYS:
                    self._loaded.popitem(last=False)
        return loaded

    def _read(self, key_id: str) -> tuple[KeyFile, os.stat_result]:
        path = self._path_of(key_id)
        try:
            content, status = read_private(path, limit_bytes=KEY_FILE_LIMIT_BYTES)
        except FileNotFoundError as error:
            raise self._missing(key_id) from error
        try:
            seal = self._require_open()
            return decode_key_file(content, key_id, seal, self._header.store_id), status
        except KeyDamagedError as error:
            raise KeyDamagedError(f"key '{key_id}' in {path} is damaged: {error}") from error

    def _path_of(self, key_id: str) -> Path:
        return self._directory / (check_key_id(key_id) + KEY_SUFFIX)

    def _require_free(self, key_id: str) -> None:
        path = self._path_of(key_id)
        self._require_open()
        if os.path.lexists(path):
            raise KeyExistsError(key_id, self._uri)

    def _require_open(self) -> Seal:
        seal = self._seal
        if seal is None:
            raise StoreUnavailableError(f"key store {self._uri} is closed")
        return seal

    def _require_same_store(self) -> None:
        # A key sealed into a directory that has since become another store would never open.
        try:
            content, _ = read_private(self._directory / HEADER_NAME, limit_bytes=HEADER_LIMIT_BYTES)
        except FileNotFoundError as error:
            raise self._gone() from error
        if content != self._header.content:
            raise StoreUnavailableError(f"key store {self._uri} was replaced; open it again")

    def _missing(self, key_id: str) -> KeyStoreError:
        if os.path.exists(self._directory / HEADER_NAME):
            return KeyNotFoundError(key_id, self._uri)
        return self._gone()

    def _gone(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"the directory of key store {self._uri} is gone")


def open_store(
    uri: str, secrets: SecretProvider, *, create: bool = False, now: Clock | None = None
) -> SoftwareKeyStore:
    """Opens a directory store, or makes one.

    Args:
        uri: ``soft:PATH[?kdf=standard|lab]``.
        secrets: asked once for the passphrase, after everything else has been checked.
        create: make the directory and the store when there is none.
        now: stamps new keys, UTC; ``None`` leaves ``created_at`` empty.

    Raises:
        StoreUriError: the URI is wrong.
        StoreUnavailableError: nothing there, open to other users, or of another format version.
        KeyDamagedError: the header is damaged or missing.
        StoreLockedError: the passphrase is wrong.
    """
    parsed = DirectoryUri.parse(uri, options=("kdf",))
    try:
        stretching = Stretching[parsed.options.get("kdf", "standard").upper()]
    except KeyError as error:
        raise StoreUriError(f"'{uri}': kdf is 'standard' or 'lab'") from error
    if create:
        make_private_directory(parsed.path)
    header = find_header(parsed.path)
    if header is not None:
        passphrase = secrets(f"Passphrase of {uri}: ")
    elif create:
        passphrase = secrets(f"New passphrase for {uri}: ")
        header = write_header(parsed.path, create_header(passphrase, stretching))
    else:
        raise StoreUnavailableError(
            f"there is no key store in {parsed.path}: create it, or correct the URI {uri}"
        )
    try:
        seal = header.unlock(passphrase)
    except StoreLockedError as error:
        raise StoreLockedError(
            f"key store {uri} does not open: {error}; give the one it was made with"
        ) from error
    return SoftwareKeyStore(uri=uri, directory=parsed.path, header=header, seal=seal, now=now)


def _generate(algorithm: KeyAlgorithm) -> PrivateKey:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm]())
    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[algorithm])


def _timestamp(now: Clock) -> str:
    return now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


if TYPE_CHECKING:
    _PROOF: StoreFactory = open_store  # store, handles and factory fit the interface

    def _proof(store: SoftwareKeyStore) -> KeyMover:
        return store
