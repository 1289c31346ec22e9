"""Passwords of users and of ``enable``: shown and kept as salted PBKDF2 hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from functools import lru_cache

_ROUNDS = 5000
_BYTES = 16
_HASH = re.compile(r"\$sha512\$5000\$([A-Za-z0-9+/]{22}==)\$([A-Za-z0-9+/]{22}==)")


@lru_cache(maxsize=256)
def hash_password(password: str) -> str:
    """The text a configuration shows for a password.

    The salt is derived from the password, so that a configuration reads the same whenever shown.
    """
    return _hashed(password, hashlib.sha256(b"asa salt" + password.encode()).digest()[:_BYTES])


def is_hashed(text: str) -> bool:
    """Whether this is such a text."""
    return _HASH.fullmatch(text) is not None


def matches_hash(text: str, typed: str) -> bool:
    """Whether a hash is the one of what was typed."""
    found = _HASH.fullmatch(text)
    return found is not None and hmac.compare_digest(text, _hashed(typed, b64decode(found[1])))


def _hashed(password: str, salt: bytes) -> str:
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, _BYTES)
    return f"$sha512${_ROUNDS}${b64encode(salt).decode()}${b64encode(digest).decode()}"
