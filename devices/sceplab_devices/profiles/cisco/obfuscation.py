"""Passwords in a configuration: type 7 hides them from a glance, type 8 is a hash."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from functools import lru_cache

# The key every IOS box shares.
_KEY = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"
_MAX_SEED = 15


def obfuscate(password: str) -> str:
    """Type 7 text of ``password``. The start position depends on the password alone."""
    plain = password.encode()
    seed = sum(plain) % (_MAX_SEED + 1)
    return f"{seed:02d}" + _mix(plain, seed).hex().upper()


def reveal(text: str) -> str | None:
    """The password behind a type 7 text; ``None`` when it is none."""
    try:
        seed = int(text[:2])
        return _mix(bytes.fromhex(text[2:]), seed).decode()
    except ValueError:
        return None


def _mix(data: bytes, seed: int) -> bytes:
    return bytes(byte ^ _KEY[(seed + index) % len(_KEY)] for index, byte in enumerate(data))


_CRYPT_DIGITS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE64_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_CRYPT = str.maketrans(_BASE64_DIGITS, _CRYPT_DIGITS)
_HASH = re.compile(r"\$8\$([./0-9A-Za-z]{14})\$[./0-9A-Za-z]{43}")
_ROUNDS = 20_000
_SALT_LETTERS = 14


@lru_cache(maxsize=256)
def hash_secret(password: str) -> str:
    """Type 8 text of a password: PBKDF2 with SHA-256.

    The salt is derived from the password, so that a configuration reads the same whenever shown.
    """
    seed = hashlib.sha256(b"type 8 salt" + password.encode()).digest()
    return _hashed(password, b64encode(seed).decode().translate(_TO_CRYPT)[:_SALT_LETTERS])


def is_hashed(text: str) -> bool:
    """Whether this is a type 8 text."""
    return _HASH.fullmatch(text) is not None


def matches_hash(text: str, typed: str) -> bool:
    """Whether a type 8 text is the hash of what was typed."""
    found = _HASH.fullmatch(text)
    return found is not None and hmac.compare_digest(text, _hashed(typed, found[1]))


def _hashed(password: str, salt: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), _ROUNDS)
    return f"$8${salt}${b64encode(digest).decode().rstrip('=').translate(_TO_CRYPT)}"
