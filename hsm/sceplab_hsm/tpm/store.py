"""The TPM key store: keys made in a chip and kept as blobs that only this chip opens.

A directory holds a header that binds it to one chip and one small file for each key (two blobs and
metadata, mode 0600). Private keys exist in clear inside the chip alone. The store's secret, the
PIN, is the authorisation value of every key; one of more than 32 bytes is replaced by its SHA-256.
It is proved when the store is opened, with a key made for that purpose.

``dictionary_attack``: with it, wrong PINs count and the chip locks itself after some of them; a
power cut without orderly shutdown counts as well, since it may hide a try. Without it (``NODA``)
nothing is counted, so power cuts never lock the chip and a thief of chip and directory may guess.
An existing store keeps what it was made with.

The chip behind the store is somebody else's matter: `sceplab_hsm.tpm.esapi` is a real one,
`sceplab_hsm.tpm.stub` a stub; both are opened through `open_chip_store`.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sceplab_hsm.api import (
    Clock,
    KeyAlgorithm,
    KeyInfo,
    KeyResidence,
    KeyStore,
    SecretProvider,
    StoreCapabilities,
)
from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyExistsError,
    KeyNotFoundError,
    KeyStoreError,
    MechanismUnsupportedError,
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
from sceplab_hsm.tpm.blobfile import (
    FILE_LIMIT_BYTES,
    HEADER_NAME,
    KEY_SUFFIX,
    ChipHeader,
    StoredKey,
    decode_key_file,
    encode_header,
    encode_key_file,
    key_file_head,
    read_chip_header,
)
from sceplab_hsm.tpm.chip import PARENT_HANDLE, TpmChip
from sceplab_hsm.tpm.key import TpmKeyHandle
from sceplab_hsm.tpm.making import auth_value, make_key, sign_with
from sceplab_hsm.tpm.parent import make_parent
from sceplab_hsm.tpm.session import ChipSession, ConnectChip
from sceplab_hsm.tpm.verifying import load_public_key
from sceplab_hsm.uri import check_key_id

Result = TypeVar("Result")

_STORE_KEY_ID = "store-key"
_STORE_KEY_ORDER = (KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384, KeyAlgorithm.RSA_2048)
_MAX_REMEMBERED_FILES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipStoreSettings:
    """What a store must be told of its chip."""

    residence: KeyResidence
    dictionary_attack: bool = False
    """Whether wrong PINs count; for a new store."""
    parent_handle: int = PARENT_HANDLE
    """Where the storage key lives; for a new store."""
    keys_leave_store: bool = False
    """Whether the chip is files that give its keys to whoever reads them."""
    unlock_hint: str = "reset the dictionary-attack lockout of the chip"
    """What clears a lockout, as the end of a sentence."""
    lock_path: Path | None = None
    """By which processes take turns; ``None`` where a resource manager keeps them apart."""


@dataclass(frozen=True, slots=True)
class _ReadFile:
    """A key's file as it was read, and what tells it from another of that name."""

    identity: tuple[int, int]
    key: StoredKey


class TpmKeyStore:
    """An opened directory of TPM keys. Make it with `open_chip_store`.

    Threads may share it; processes may share directory and chip.

    Args:
        uri: as opened.
        directory: where the files are.
        header: of the store.
        session: to the chip, bound to the header's storage key.
        auth: authorisation value of the keys.
        settings: of the chip.
        now: stamps new keys; ``None`` leaves ``created_at`` empty.
    """

    def __init__(
        self,
        *,
        uri: str,
        directory: Path,
        header: ChipHeader,
        session: ChipSession,
        auth: bytes,
        settings: ChipStoreSettings,
        now: Clock | None,
    ) -> None:
        self._uri = uri
        self._directory = directory
        self._header = header
        self._session = session
        self._auth = auth
        self._now = now
        self._identity = directory_identity(directory)
        self._capabilities = StoreCapabilities(
            algorithms=session.run(lambda chip: chip.algorithms()),
            keys_leave_store=settings.keys_leave_store,
            supports_oaep=True,
            thread_safe=True,
            supports_pss=True,
            residence=settings.residence,
        )
        self._read_files: OrderedDict[str, _ReadFile] = OrderedDict()
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def uri(self) -> str:
        """URI the store was opened with."""
        return self._uri

    @property
    def identity(self) -> str:
        """The directory of the blobs, however its name was written."""
        return self._identity

    def capabilities(self) -> StoreCapabilities:
        """What the chip makes, and whether its keys are safe from readers of files."""
        return self._capabilities

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> TpmKeyHandle:
        """Makes a key in the chip; its file is durable when this returns.

        Nothing is left behind when the chip goes away meanwhile: a key without a file is lost.

        Raises:
            StoreUriError: not a key's name.
            KeyExistsError: the name is taken. Nothing is replaced.
            MechanismUnsupportedError: the chip does not make this type.
            KeyStoreError: the chip is away or unwilling, or the directory not writable.
        """
        path = self._path_of(key_id)
        self._require_open()
        if os.path.lexists(path):
            raise KeyExistsError(key_id, self._uri)
        if algorithm not in self._capabilities.algorithms:
            raise MechanismUnsupportedError(
                f"the chip of {self._uri} makes no {algorithm.value} keys"
            )
        created_at = "" if self._now is None else _timestamp(self._now)
        key = make_key(
            self._session,
            key_id,
            algorithm,
            auth=self._auth,
            dictionary_attack=self._header.dictionary_attack,
            created_at=created_at,
        )
        head = key_file_head(key)
        content = encode_key_file(head, sign_with(self._session, self._header, self._auth, head))
        self._require_same_store()
        try:
            create_private(path, content)
        except FileExistsError as error:
            raise KeyExistsError(key_id, self._uri) from error
        except FileNotFoundError as error:
            raise self._gone() from error
        return self._handle(key.info)

    def get(self, key_id: str) -> TpmKeyHandle:
        """Finds a key by its file; the chip is not asked.

        Raises:
            StoreUriError: not a key's name.
            KeyNotFoundError: no such key.
            KeyDamagedError: its file was changed.
        """
        return self._handle(self._read(key_id).info)

    def list_keys(self) -> list[KeyInfo]:
        """All keys, sorted by name; the chip is not asked.

        Raises:
            KeyDamagedError: the file of one was changed; the others can still be used.
        """
        self._require_open()
        try:
            names = names_in(self._directory, KEY_SUFFIX)
        except FileNotFoundError as error:
            raise self._gone() from error
        infos = []
        for name in names:
            try:
                infos.append(self._read(name).info)
            except KeyNotFoundError:
                continue  # deleted since the directory was read
            except StoreUriError as error:
                raise KeyDamagedError(f"{name}{KEY_SUFFIX} is no key of {self._uri}") from error
        return infos

    def delete(self, key_id: str) -> None:
        """Removes a key's file, durably, and the key from the chip. Backups are not reached.

        Raises:
            StoreUriError: not a key's name.
            KeyNotFoundError: no such key.
        """
        path = self._path_of(key_id)
        self._require_open()
        with self._lock:
            read = self._read_files.pop(key_id, None)
        try:
            remove(path)
        except FileNotFoundError as error:
            raise self._missing(key_id) from error
        if read is not None:
            self._session.unload(read.key.info.public_key_der)

    def close(self) -> None:
        """Forgets the PIN, frees slot and connection."""
        self._is_closed = True
        self._auth = b""
        self._session.close()
        with self._lock:
            self._read_files.clear()

    def _handle(self, info: KeyInfo) -> TpmKeyHandle:
        public_key = load_public_key(info.public_key_der)
        return TpmKeyHandle(store_uri=self._uri, info=info, public_key=public_key, use=self._use)

    def _use(self, info: KeyInfo, work: Callable[[TpmChip, int, bytes], Result]) -> Result:
        key = self._read(info.key_id)
        if key.info.public_key_der != info.public_key_der:
            # Deleted, and another key bears the name now: the handle's own key is gone.
            raise KeyNotFoundError(info.key_id, self._uri)
        return self._session.with_key(key, lambda chip, handle: work(chip, handle, self._auth))

    def _read(self, key_id: str) -> StoredKey:
        path = self._path_of(key_id)
        self._require_open()
        with self._lock:
            known = self._read_files.get(key_id)
        try:
            if known is not None and file_identity(os.lstat(path)) == known.identity:
                return known.key
            content, status = read_private(path, limit_bytes=FILE_LIMIT_BYTES)
        except FileNotFoundError as error:
            raise self._missing(key_id) from error
        try:
            key = decode_key_file(content, key_id, self._header.store_key.info.public_key_der)
        except KeyDamagedError as error:
            raise KeyDamagedError(f"key '{key_id}' in {path} is damaged: {error}") from error
        with self._lock:
            self._read_files[key_id] = _ReadFile(file_identity(status), key)
            self._read_files.move_to_end(key_id)
            if len(self._read_files) > _MAX_REMEMBERED_FILES:
                self._read_files.popitem(last=False)
        return key

    def _path_of(self, key_id: str) -> Path:
        return self._directory / (check_key_id(key_id) + KEY_SUFFIX)

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailableError(f"key store {self._uri} is closed")
        self._session.require_own_process()

    def _require_same_store(self) -> None:
        # A key put into a directory that has since become another store would never open.
        if read_chip_header(self._directory) != self._header:
            raise StoreUnavailableError(f"key store {self._uri} was replaced; open it again")

    def _missing(self, key_id: str) -> KeyStoreError:
        if os.path.exists(self._directory / HEADER_NAME):
            return KeyNotFoundError(key_id, self._uri)
        return self._gone()

    def _gone(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"the directory of key store {self._uri} is gone")


def open_chip_store(
    uri: str,
    directory: Path,
    connect: ConnectChip,
    secrets: SecretProvider,
    *,
    create: bool,
    now: Clock | None,
    settings: ChipStoreSettings,
) -> TpmKeyStore:
    """Opens the store of a directory over a chip, or makes one.

    Args:
        uri: of the store, for handles and texts.
        directory: where its files are.
        connect: connects to the chip; called again when the chip was away.
        secrets: asked once for the PIN, after everything else has been checked.
        create: make directory, storage key and store when there is none.
        now: stamps new keys, UTC; ``None`` leaves ``created_at`` empty.
        settings: of the chip, and of a new store.

    Raises:
        TokenMissingError: the chip is away, or is not the one the directory belongs to.
        StoreLockedError: the PIN is wrong, or the chip locked (`LockoutError`).
        StoreUnavailableError: no store there, or open to other users.
        KeyDamagedError: the header is damaged.
    """
    header = _find_header(uri, directory, create=create)
    session = ChipSession(
        uri, connect, unlock_hint=settings.unlock_hint, lock_path=settings.lock_path
    )
    try:
        if header is None:
            auth, header = _make_store(uri, directory, session, secrets, settings)
        else:
            auth = _ask_auth(uri, header, session, secrets)
        session.bind(header.parent_handle, header.parent_der)
        sign_with(session, header, auth, b"PIN")
        return TpmKeyStore(
            uri=uri,
            directory=directory,
            header=header,
            session=session,
            auth=auth,
            settings=settings,
            now=now,
        )
    except BaseException:
        session.close()
        raise


def _find_header(uri: str, directory: Path, *, create: bool) -> ChipHeader | None:
    """The header of the store; ``None``: it is still to be made."""
    if create:
        make_private_directory(directory)
    header = read_chip_header(directory)
    if header is None and not create:
        raise StoreUnavailableError(
            f"there is no TPM key store in {directory}: create it, or correct the URI {uri}"
        )
    return header


def _ask_auth(uri: str, header: ChipHeader, session: ChipSession, secrets: SecretProvider) -> bytes:
    """What the PIN stands for; asked for only when the right chip is there."""
    session.bind(header.parent_handle, header.parent_der)
    session.connect()
    return auth_value(secrets(f"PIN of {uri}: "))


def _make_store(
    uri: str,
    directory: Path,
    session: ChipSession,
    secrets: SecretProvider,
    settings: ChipStoreSettings,
) -> tuple[bytes, ChipHeader]:
    handle = settings.parent_handle
    parent_der = session.run(lambda chip: make_parent(chip, handle, uri))
    session.bind(handle, parent_der)
    auth = auth_value(secrets(f"New PIN for {uri}: "))
    algorithms = session.run(lambda chip: chip.algorithms())
    store_key = make_key(
        session,
        _STORE_KEY_ID,
        next(algorithm for algorithm in _STORE_KEY_ORDER if algorithm in algorithms),
        auth=auth,
        dictionary_attack=settings.dictionary_attack,
        created_at="",
    )
    header = ChipHeader(
        parent_der=parent_der,
        parent_handle=handle,
        dictionary_attack=settings.dictionary_attack,
        store_key=store_key,
    )
    try:
        create_private(directory / HEADER_NAME, encode_header(header))
    except FileExistsError:
        # Another process was faster: its store is the one, and our PIN must open it.
        found = read_chip_header(directory)
        assert found is not None
        return auth, found
    return auth, header


def _timestamp(now: Clock) -> str:
    return now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


if TYPE_CHECKING:
    _PROOF: type[KeyStore] = TpmKeyStore  # store and handles fit the interface
