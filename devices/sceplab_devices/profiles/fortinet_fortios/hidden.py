"""Secrets in a configuration: ``ENC …`` hides them from a glance; login passwords are hashes."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

MARK = "ENC"
_HASH_MARK = "PB2"
_ROUNDS = 20_000
_SALT_BYTES = 12
_KEY_TEXT = b"sceplab: hidden, not safe"


def hide(secret: str) -> str:
    """Text behind ``ENC`` for a secret that the box has to know again. No protection."""
    plain = secret.encode()
    seed = hashlib.sha256(_KEY_TEXT + plain).digest()[:4]
    return b64encode(seed + _mix(plain, seed)).decode()


def reveal(text: str) -> str:
    """The secret behind a text that `hide` made; empty when it is none."""
    try:
        data = b64decode(text, validate=True)
        return _mix(data[4:], data[:4]).decode()
    except (binascii.Error, ValueError):
        return ""


def _mix(data: bytes, seed: bytes) -> bytes:
    stream = b"".join(
        hashlib.sha256(_KEY_TEXT + seed + block.to_bytes(4, "big")).digest()
        for block in range(len(data) // 32 + 1)
    )
    return bytes(byte ^ mask for byte, mask in zip(data, stream, strict=False))


def hash_login(password: str) -> str:
    """Text behind ``ENC`` for a password that is only compared."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return _HASH_MARK + b64encode(salt + _digest(password, salt)).decode()


def matches_login(text: str, typed: str) -> bool:
    """Whether a text that `hash_login` made belongs to what was typed."""
    if not text.startswith(_HASH_MARK):
        return False
    try:
        data = b64decode(text.removeprefix(_HASH_MARK), validate=True)
    except (binascii.Error, ValueError):
        return False
    salt = data[:_SALT_BYTES]
    return hmac.compare_digest(data[_SALT_BYTES:], _digest(typed, salt))


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
