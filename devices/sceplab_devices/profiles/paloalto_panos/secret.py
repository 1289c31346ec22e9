"""Secrets in a configuration: the ``-AQ==`` form, under the key that every box is delivered with.

It hides a secret from a glance and no more. Layout U: digest of the secret, then AES-256-CBC.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from binascii import Error

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

_MARK = "-AQ=="
_KEY = hashlib.md5(b"p1a2l3o4a5l6t7o8", usedforsecurity=False).digest() * 2
_DIGEST_CHARS = 28
_BLOCK_BITS = 128


def conceal(secret: str) -> str:
    """The hidden form; the same secret always gives the same one."""
    plain = secret.encode()
    padder = PKCS7(_BLOCK_BITS).padder()
    padded = padder.update(plain) + padder.finalize()
    encryptor = _cipher().encryptor()
    hidden = encryptor.update(padded) + encryptor.finalize()
    digest = hashlib.sha1(plain, usedforsecurity=False).digest()
    return _MARK + b64encode(digest).decode() + b64encode(hidden).decode()


def reveal(text: str) -> str | None:
    """The secret behind a hidden form; ``None`` when it is none."""
    if not text.startswith(_MARK):
        return None
    try:
        body = text.removeprefix(_MARK)
        hidden = b64decode(body[_DIGEST_CHARS:], validate=True)
        decryptor = _cipher().decryptor()
        padded = decryptor.update(hidden) + decryptor.finalize()
        unpadder = PKCS7(_BLOCK_BITS).unpadder()
        plain = unpadder.update(padded) + unpadder.finalize()
        return plain.decode()
    except (Error, ValueError):
        return None


def _cipher() -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(_KEY), modes.CBC(bytes(_BLOCK_BITS // 8)))
