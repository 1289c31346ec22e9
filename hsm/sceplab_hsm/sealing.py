"""Sealing: a passphrase becomes one key, and that key seals texts so that no change goes unseen.

A store's header is a small text file. The passphrase is stretched once when the store is opened;
the header's own seal tells a wrong passphrase from a right one. ::

    sceplab-keystore 1
    {"kdf":"scrypt","n":32768,"p":1,"r":8,"salt":BASE64,"store_id":HEX}
    BASE64 of the seal over the two lines above (made with the derived key)
    HEX of the SHA-256 of everything above (tells damage from a wrong passphrase)
"""

from __future__ import annotations

import base64
import enum
import hashlib
import json
import os
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from sceplab_hsm.errors import (
    KeyDamagedError,
    SecretUnavailableError,
    StoreLockedError,
    StoreUnavailableError,
)
from sceplab_hsm.secret import Secret

HEADER_LIMIT_BYTES = 4096

_MAGIC = b"sceplab-keystore 1"
_ANY_VERSION = re.compile(rb"sceplab-keystore ([1-9][0-9]{0,8})")
_FIELDS = frozenset({"kdf", "n", "p", "r", "salt", "store_id"})
_NONCE_BYTES = 12
_SALT_BYTES = 16
_HEADER_LINES = 4
_MAX_MEMORY_BYTES = 256 * 1024 * 1024


class Stretching(enum.Enum):
    """How much work one guess at the passphrase costs. The value is scrypt's N (r 8, p 1)."""

    STANDARD = 2**15
    """32 MiB and some 80 ms an opening."""
    LAB = 2**4
    """No protection against guessing: for tests, labs and fleets."""


class Seal:
    """An opened seal: closes and opens texts with AES-256-GCM under the store's derived key."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def close(self, content: bytes, context: bytes) -> bytes:
        """BASE64 of nonce, ciphertext and tag.

        Args:
            content: what is hidden; may be empty.
            context: what is not hidden but bound to it.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._aead.encrypt(nonce, content, context))

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """What was sealed.

        Raises:
            KeyDamagedError: content, context or key is not what it was.
        """
        raw = decode_base64(sealed)
        try:
            return self._aead.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise KeyDamagedError("the seal is broken") from error


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


def encode_fields(fields: dict[str, object]) -> bytes:
    """One line of JSON, names sorted."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode("ascii")


def decode_fields(line: bytes, names: frozenset[str]) -> dict[str, object]:
    """Reads one line of JSON that holds exactly these names.

    Raises:
        ValueError: it does not.
    """
    try:
        fields = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(fields, dict) or fields.keys() != names:
        raise ValueError("other fields than expected")
    return fields


def decode_base64(text: bytes) -> bytes:
    """Reads canonical BASE64: no other text stands for the same bytes.

    Raises:
        KeyDamagedError: it is not.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise KeyDamagedError("a line is not BASE64") from error
    if base64.b64encode(raw) != text:
        raise KeyDamagedError("a line is not canonical BASE64")
    return raw


def _number(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("not a positive number")
    return value


def _stretch(passphrase: Secret, *, salt: bytes, n: int, r: int, p: int) -> Seal:
    # Bytes that an environment variable holds beside UTF-8 come as surrogates.
    text = passphrase.reveal().encode("utf-8", "surrogateescape")
    return Seal(Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(text))
