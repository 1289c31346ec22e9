"""The header of a software store: how its passphrase becomes the key that seals everything else.

The passphrase is stretched once when the store is opened; the header's own seal tells a wrong
passphrase from a right one. A small text file::

    sceplab-keystore 1
    {"kdf":"scrypt","n":32768,"p":1,"r":8,"salt":BASE64,"store_id":HEX}
    BASE64 of the seal over the two lines above (made with the derived key)
    HEX of the SHA-256 of everything above (tells damage from a wrong passphrase)
"""

from __future__ import annotations

import base64
import enum
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from sceplab_hsm.errors import (
    KeyDamagedError,
    KeyStoreError,
    SecretUnavailableError,
    StoreLockedError,
    StoreUnavailableError,
)
from sceplab_hsm.files import create_private, names_in, read_private, require_private_directory
from sceplab_hsm.sealing import Seal, decode_base64, decode_fields, encode_fields
from sceplab_hsm.secret import Secret

HEADER_NAME = "store.header"
HEADER_LIMIT_BYTES = 4096
KEY_SUFFIX = ".key"

_MAGIC = b"sceplab-keystore 1"
_ANY_VERSION = re.compile(rb"sceplab-keystore ([1-9][0-9]{0,8})")
_FIELDS = frozenset({"kdf", "n", "p", "r", "salt", "store_id"})
_SALT_BYTES = 16
_HEADER_LINES = 4
_MAX_MEMORY_BYTES = 256 * 1024 * 1024


class Stretching(enum.Enum):
    """How much work one guess at the passphrase costs. The value is scrypt's N (r 8, p 1)."""

    STANDARD = 2**15
    """32 MiB and some 80 ms an opening."""
    LAB = 2**4
    """No protection against guessing: for tests, labs and fleets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHeader:
    """What is known of a store before it is unlocked."""

    store_id: str
    """32 hex digits; every seal of the store is bound to it."""
    salt: bytes
    n: int
    r: int
    p: int
    content: bytes
    """The file as it was read."""

    def unlock(self, passphrase: Secret) -> Seal:
        """Derives the store's key.

        Raises:
            StoreLockedError: the passphrase is wrong.
        """
        seal = _stretch(passphrase, salt=self.salt, n=self.n, r=self.r, p=self.p)
        magic, fields, verifier, *_ = self.content.split(b"\n")
        try:
            seal.open(verifier, magic + b"\n" + fields + b"\n")
        except KeyDamagedError as error:
            raise StoreLockedError("the passphrase is wrong") from error
        return seal


def create_header(passphrase: Secret, stretching: Stretching) -> StoreHeader:
    """Makes the header of a new store.

    Raises:
        SecretUnavailableError: the passphrase is empty.
    """
    if not passphrase:
        raise SecretUnavailableError("the passphrase is empty; a store needs one")
    salt, store_id, n, r, p = os.urandom(_SALT_BYTES), os.urandom(16).hex(), stretching.value, 8, 1
    fields = {
        "kdf": "scrypt",
        "n": n,
        "p": p,
        "r": r,
        "salt": base64.b64encode(salt).decode("ascii"),
        "store_id": store_id,
    }
    head = _MAGIC + b"\n" + encode_fields(fields) + b"\n"
    seal = _stretch(passphrase, salt=salt, n=n, r=r, p=p)
    body = head + seal.close(b"", head) + b"\n"
    content = body + hashlib.sha256(body).hexdigest().encode("ascii") + b"\n"
    return StoreHeader(store_id=store_id, salt=salt, n=n, r=r, p=p, content=content)


def read_header(content: bytes) -> StoreHeader:
    """Reads a header file and checks that it is whole; the passphrase is not needed.

    Raises:
        StoreUnavailableError: the format is of another version.
        KeyDamagedError: everything else.
    """
    lines = content.split(b"\n")
    if lines[0] != _MAGIC and (version := _ANY_VERSION.fullmatch(lines[0])):
        raise StoreUnavailableError(
            f"the store has format version {int(version[1])}, this program reads version 1; "
            "update the program"
        )
    body = b"".join(line + b"\n" for line in lines[: _HEADER_LINES - 1])
    checksum = hashlib.sha256(body).hexdigest().encode("ascii")
    if lines[0] != _MAGIC or lines[_HEADER_LINES - 1 :] != [checksum, b""]:
        raise KeyDamagedError("the store's header is damaged; restore it, no key opens without it")
    try:
        fields = decode_fields(lines[1], _FIELDS)
        n, r, p = (_number(fields[name]) for name in "nrp")
        salt = decode_base64(str(fields["salt"]).encode("ascii"))
    except ValueError as error:
        raise KeyDamagedError("the store's header is not of our format") from error
    sensible = n >= 2 and n & (n - 1) == 0 and p <= 16 and n * r * 128 <= _MAX_MEMORY_BYTES  # noqa: PLR2004
    if fields["kdf"] != "scrypt" or not sensible:
        raise KeyDamagedError("the store's header asks for an unknown or senseless key derivation")
    return StoreHeader(store_id=str(fields["store_id"]), salt=salt, n=n, r=r, p=p, content=content)


def find_header(directory: Path) -> StoreHeader | None:
    """The header of the store in that directory, ``None`` when there is no store.

    Raises:
        StoreUnavailableError: open to other users, unreadable or of another format version.
        KeyDamagedError: not whole, or missing although there are keys.
    """
    try:
        require_private_directory(directory)
        content, _ = read_private(directory / HEADER_NAME, limit_bytes=HEADER_LIMIT_BYTES)
    except FileNotFoundError:
        if not directory.exists() or not names_in(directory, KEY_SUFFIX):
            return None
        if (directory / HEADER_NAME).exists():
            return find_header(directory)  # another process has made the store since we looked
        raise KeyDamagedError(
            f"{directory} holds keys but no {HEADER_NAME}; restore it, no key opens without it"
        ) from None
    try:
        return read_header(content)
    except KeyStoreError as error:
        raise type(error)(f"key store {directory}: {error}") from error


def write_header(directory: Path, header: StoreHeader) -> StoreHeader:
    """Writes the header of a new store; gives the one to use, which may be another's.

    Raises:
        StoreUnavailableError: the system refuses.
    """
    try:
        create_private(directory / HEADER_NAME, header.content)
    except FileExistsError:
        # Another process was faster: its store is the one, and our passphrase must open it.
        found = find_header(directory)
        assert found is not None
        return found
    return header


def _number(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("not a positive number")
    return value


def _stretch(passphrase: Secret, *, salt: bytes, n: int, r: int, p: int) -> Seal:
    # Bytes that an environment variable holds beside UTF-8 come as surrogates.
    text = passphrase.reveal().encode("utf-8", "surrogateescape")
    return Seal(Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(text))
