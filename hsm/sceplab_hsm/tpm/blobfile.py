"""Files of a TPM key store: a header that binds the directory to one chip, and one file a key.

The header, ``tpm-store.header``::

    sceplab-tpm-store 1
    {"dictionary_attack":BOOL,"parent":BASE64,"parent_handle":NUMBER,"store_key":{...}}
    HEX of the SHA-256 of everything above

A key, ``KEY_ID.tpmkey``::

    sceplab-tpm-key 1
    {"algorithm":TEXT,"created_at":TEXT,"key_id":TEXT,"private":BASE64,"public":BASE64,"spki":BASE64}
    BASE64 of a signature by the store key over the two lines above (SHA-256)

``parent`` is the public half of the storage key. The store key is a key like the others: it proves
the PIN when the store is opened, and its signature shows a changed, renamed or exchanged file.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from sceplab_hsm.api import KeyAlgorithm, KeyInfo
from sceplab_hsm.errors import KeyDamagedError, KeyStoreError, StoreUnavailableError
from sceplab_hsm.files import names_in, read_private, require_private_directory
from sceplab_hsm.sealing import decode_base64, decode_fields, encode_fields
from sceplab_hsm.tpm.chip import KeyBlobs
from sceplab_hsm.tpm.verifying import is_signed

HEADER_NAME = "tpm-store.header"
KEY_SUFFIX = ".tpmkey"
FILE_LIMIT_BYTES = 16 * 1024

_HEADER_MAGIC = b"sceplab-tpm-store 1"
_KEY_MAGIC = b"sceplab-tpm-key 1"
_ANY_VERSION = re.compile(rb"sceplab-tpm-(?:store|key) ([1-9][0-9]{0,8})")
_HEADER_FIELDS = frozenset({"dictionary_attack", "parent", "parent_handle", "store_key"})
_KEY_FIELDS = frozenset({"algorithm", "created_at", "key_id", "private", "public", "spki"})
_LINES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A key as its file holds it."""

    info: KeyInfo
    blobs: KeyBlobs


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipHeader:
    """What a directory says of its chip."""

    parent_der: bytes
    """Public half of the storage key, SubjectPublicKeyInfo."""
    parent_handle: int
    dictionary_attack: bool
    """Whether wrong PINs count."""
    store_key: StoredKey


def encode_header(header: ChipHeader) -> bytes:
    """The header file of a new store."""
    fields: dict[str, object] = {
        "dictionary_attack": header.dictionary_attack,
        "parent": _text(header.parent_der),
        "parent_handle": header.parent_handle,
        "store_key": _fields(header.store_key),
    }
    body = _HEADER_MAGIC + b"\n" + encode_fields(fields) + b"\n"
    return body + hashlib.sha256(body).hexdigest().encode("ascii") + b"\n"


def decode_header(content: bytes) -> ChipHeader:
    """Reads a header file.

    Raises:
        StoreUnavailableError: the format is of another version.
        KeyDamagedError: everything else.
    """
    lines = content.split(b"\n")
    if lines[0] != _HEADER_MAGIC and (version := _ANY_VERSION.fullmatch(lines[0])):
        raise StoreUnavailableError(
            f"the store has format version {int(version[1])}, this program reads version 1; "
            "update the program"
        )
    body = b"".join(line + b"\n" for line in lines[:2])
    checksum = hashlib.sha256(body).hexdigest().encode("ascii")
    if lines[0] != _HEADER_MAGIC or lines[2:] != [checksum, b""]:
        raise KeyDamagedError("the store's header is damaged; restore it, no key opens without it")
    try:
        fields = decode_fields(lines[1], _HEADER_FIELDS)
        handle, counts = fields["parent_handle"], fields["dictionary_attack"]
        if type(handle) is not int or type(counts) is not bool:
            raise ValueError("not a handle or not a truth value")
        return ChipHeader(
            parent_der=_bytes(fields["parent"]),
            parent_handle=handle,
            dictionary_attack=counts,
            store_key=_stored_key(_nested(fields["store_key"])),
        )
    except ValueError as error:
        raise KeyDamagedError("the store's header is not of our format") from error


def read_chip_header(directory: Path) -> ChipHeader | None:
    """The header of the store in that directory, ``None`` when there is no store.

    Raises:
        StoreUnavailableError: open to other users, unreadable or of another format version.
        KeyDamagedError: not whole, or missing although there are keys.
    """
    try:
        require_private_directory(directory)
        content, _ = read_private(directory / HEADER_NAME, limit_bytes=FILE_LIMIT_BYTES)
    except FileNotFoundError:
        if not directory.exists() or not names_in(directory, KEY_SUFFIX):
            return None
        if (directory / HEADER_NAME).exists():
            return read_chip_header(directory)  # another process has made the store meanwhile
        raise KeyDamagedError(
            f"{directory} holds TPM keys but no {HEADER_NAME}; restore it"
        ) from None
    try:
        return decode_header(content)
    except KeyStoreError as error:
        raise type(error)(f"key store {directory}: {error}") from error


def key_file_head(key: StoredKey) -> bytes:
    """The first two lines of a key's file: what the store key signs."""
    return _KEY_MAGIC + b"\n" + encode_fields(_fields(key))


def encode_key_file(head: bytes, signature: bytes) -> bytes:
    """The file of a new key.

    Args:
        head: from `key_file_head`.
        signature: of the store key over it.
    """
    return b"\n".join((head, base64.b64encode(signature), b""))


def decode_key_file(content: bytes, key_id: str, store_key_der: bytes) -> StoredKey:
    """Reads a key's file and checks that the store wrote it under this name.

    Args:
        content: the whole file.
        key_id: name it is stored under.
        store_key_der: public half of the store key.

    Raises:
        KeyDamagedError: other format, changed, or the file of another key or store.
    """
    lines = content.split(b"\n")
    if lines[0] != _KEY_MAGIC and (version := _ANY_VERSION.fullmatch(lines[0])):
        raise KeyDamagedError(
            f"it has format version {int(version[1])}, this program reads version 1"
        )
    if lines[0] != _KEY_MAGIC or len(lines) != _LINES or lines[3]:
        raise KeyDamagedError("it is not a key file")
    head = lines[0] + b"\n" + lines[1]
    if not is_signed(store_key_der, decode_base64(lines[2]), head):
        raise KeyDamagedError("it was changed, or is the file of another store")
    try:
        key = _stored_key(decode_fields(lines[1], _KEY_FIELDS))
    except ValueError as error:
        raise KeyDamagedError("its metadata is not of our format") from error
    if key.info.key_id != key_id:
        raise KeyDamagedError(f"it is the file of key '{key.info.key_id}'")
    return key


def _fields(key: StoredKey) -> dict[str, object]:
    return {
        "algorithm": key.info.algorithm.value,
        "created_at": key.info.created_at,
        "key_id": key.info.key_id,
        "private": _text(key.blobs.private),
        "public": _text(key.blobs.public),
        "spki": _text(key.info.public_key_der),
    }


def _stored_key(fields: dict[str, object]) -> StoredKey:
    info = KeyInfo(
        key_id=str(fields["key_id"]),
        algorithm=KeyAlgorithm(fields["algorithm"]),
        public_key_der=_bytes(fields["spki"]),
        exportable=False,
        created_at=str(fields["created_at"]),
    )
    blobs = KeyBlobs(private=_bytes(fields["private"]), public=_bytes(fields["public"]))
    return StoredKey(info=info, blobs=blobs)


def _nested(value: object) -> dict[str, object]:
    if not isinstance(value, dict) or value.keys() != _KEY_FIELDS:
        raise ValueError("not the fields of this format")
    return value


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(value: object) -> bytes:
    return decode_base64(str(value).encode("ascii"))
