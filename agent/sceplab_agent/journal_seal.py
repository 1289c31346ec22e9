"""Seals on snapshots: a digest in the stored text, so that no changed bit passes unnoticed.

SQLite has no checksums for its pages. The seal is the first member of the JSON object, covers the
rest of the row too, and is ignored by programs that do not know it. It protects against chance, not
against a person: whoever can write the file can seal, too.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

_HEAD = '{"sha256":"'
_DIGEST_CHARS = 64
_UNSEALED_HEAD = '{"version":'
"""How snapshots of programs begin that set no seal."""


def seal(trustpoint: str, at: str, seq: int, body: str) -> str:
    """The text to store.

    Args:
        trustpoint: its name.
        at: the row's moment, as it is stored.
        seq: number of the row's entry.
        body: JSON object, not empty.
    """
    return f'{_HEAD}{_digest(trustpoint, at, seq, body)}",{body[1:]}'


def unseal(trustpoint: str, at: str, seq: int, text: str) -> dict[str, Any]:
    """The object that was sealed, as it was; an older program's has no seal.

    Raises:
        ValueError: something was changed.
    """
    if text.startswith(_HEAD):
        end = len(_HEAD) + _DIGEST_CHARS
        body = "{" + text[end + 2 :]
        if text[len(_HEAD) : end + 2] != _digest(trustpoint, at, seq, body) + '",':
            raise ValueError("its seal is broken")
    elif text.startswith(_UNSEALED_HEAD):
        body = text
    else:
        raise ValueError("it has no seal")
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def _digest(trustpoint: str, at: str, seq: int, body: str) -> str:
    row = "\0".join((trustpoint, at, str(seq), body))
    return hashlib.sha256(row.encode("utf-8", "surrogatepass")).hexdigest()
