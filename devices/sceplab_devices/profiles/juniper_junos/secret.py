"""Secrets in a configuration: the ``$9$`` form, which hides them from a glance and no more.

The form is public: each character becomes the distances between characters of one fixed alphabet.
"""

from __future__ import annotations

import hashlib

_MAGIC = "$9$"
_FAMILIES = ("QzF3n6/9CAtpu0O", "B1IREhcSyrleKvMW8LXx", "7N-dVbwsY2g4oaJZGUDj", "iHkq.mPf5T")
_ALPHABET = "".join(_FAMILIES)
_PLACE = {char: place for place, char in enumerate(_ALPHABET)}
_FILLERS = {char: 3 - row for row, family in enumerate(_FAMILIES) for char in family}
_WEIGHTS = ((1, 4, 32), (1, 16, 32), (1, 8, 32), (1, 64), (1, 32), (1, 4, 16, 128), (1, 32, 64))


def conceal(secret: str) -> str:
    """The ``$9$`` form; the same secret always gives the same one, so comparing works."""
    seed = hashlib.sha256(secret.encode()).digest()
    salt = _ALPHABET[seed[0] % len(_ALPHABET)]
    fillers = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in seed[1 : 1 + _FILLERS[salt]])
    text, last = salt + fillers, salt
    for at, byte in enumerate(secret.encode()):
        for gap in _gaps(byte, _WEIGHTS[at % len(_WEIGHTS)]):
            last = _ALPHABET[(_PLACE[last] + gap + 1) % len(_ALPHABET)]
            text += last
    return _MAGIC + text


def _gaps(byte: int, weights: tuple[int, ...]) -> list[int]:
    gaps: list[int] = []
    for weight in reversed(weights):
        gap, byte = divmod(byte, weight)
        gaps.insert(0, gap)
    return gaps


def reveal(text: str) -> str | None:
    """The secret behind a ``$9$`` form; ``None`` when it is none."""
    body = text.removeprefix(_MAGIC)
    if body == text or not body or any(char not in _PLACE for char in body):
        return None
    last, body = body[0], body[1 + _FILLERS[body[0]] :]
    secret = bytearray()
    at = 0
    while body:
        weights = _WEIGHTS[at % len(_WEIGHTS)]
        chunk, body = body[: len(weights)], body[len(weights) :]
        if len(chunk) < len(weights):
            return None
        total = 0
        for char, weight in zip(chunk, weights, strict=True):
            total += ((_PLACE[char] - _PLACE[last]) % len(_ALPHABET) - 1) * weight
            last = char
        secret.append(total % 256)
        at += 1
    try:
        return secret.decode()
    except UnicodeDecodeError:
        return None
