"""Secrets in a configuration: hashes of passwords, and stars for what can be turned back."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from functools import lru_cache

_ROUNDS = 5000
_BYTES = 16
_HASH = re.compile(r"\$sha512\$5000\$([A-Za-z0-9+/]{22}==)\$([A-Za-z0-9+/]{22}==)")


_HIDDEN = re.compile(r"^( password| ikev[12] .*pre-shared-key) 7 \S+$", re.MULTILINE)


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


def without_secrets(text: str) -> str:
    """A configuration as it is shown: reversible secrets are stars."""
    return _HIDDEN.sub(lambda found: f"{found[1]} {_stars(found[1])}", text)


def _stars(keywords: str) -> str:
    return "*" if keywords == " password" else "*****"


def _hashed(password: str, salt: bytes) -> str:
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, _BYTES)
    return f"$sha512${_ROUNDS}${b64encode(salt).decode()}${b64encode(digest).decode()}"
