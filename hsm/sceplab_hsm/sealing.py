"""Sealing: nothing that was sealed can be changed without being noticed.

Seals and field lines are the material of the software store's files.
"""

from __future__ import annotations

import base64
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sceplab_hsm.errors import KeyDamagedError

_NONCE_BYTES = 12


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
