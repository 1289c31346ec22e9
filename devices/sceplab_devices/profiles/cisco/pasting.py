"""Certificates, requests and keys as text that an operator pastes or copies."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from sceplab_devices.profiles.readable import UNREADABLE, is_readable, load_readable
from sceplab_devices.steps import Ask, Step

PASTE_LIMIT_CHARS = 128 * 1024
"""Longer pastes are cut off: no certificate chain is as long."""
_BASE64_COLUMNS = 64
_ARMOR = re.compile(r"-----BEGIN [A-Z0-9# ]+-----(.*?)-----END [A-Z0-9# ]+-----", re.DOTALL)


def read_paste(*, ends_on_blank: bool = True) -> Generator[Step, Any, str]:
    """Lines up to ``quit`` on a line by itself, or up to an empty line.

    Args:
        ends_on_blank: an empty line is the end, too (encrypted keys have one inside).
    """
    return (
        yield from read_lines(
            lambda line: line.lower() == "quit" or (ends_on_blank and not line),
        )
    )


def read_lines(
    is_end: Callable[[str], bool], *, keeps_end: bool = False
) -> Generator[Step, Any, str]:
    """Lines up to the one that is the end.

    Args:
        is_end: whether this line, blanks at its ends removed, is it.
        keeps_end: it is part of the paste.
    """
    lines: list[str] = []
    length = 0
    while True:
        typed: str = yield Ask("")
        line = typed.strip()
        is_over = is_end(line)
        length += len(line) + 1
        if length <= PASTE_LIMIT_CHARS and (keeps_end or not is_over):
            lines.append(line)
        if is_over:
            return "\n".join(lines)


def decode_base64(text: str) -> bytes:
    """Bytes of a base64 text, with or without BEGIN and END lines; empty: it is no base64."""
    found = _ARMOR.search(text)
    try:
        return b64decode("".join((found[1] if found else text).split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def encode_base64(data: bytes) -> list[str]:
    """Base64 in lines of 64 characters."""
    text = b64encode(data).decode()
    return [text[at : at + _BASE64_COLUMNS] for at in range(0, len(text), _BASE64_COLUMNS)]


def armored(label: str, data: bytes) -> list[str]:
    """Base64 between ``BEGIN`` and ``END`` lines."""
    return [f"-----BEGIN {label}-----", *encode_base64(data), f"-----END {label}-----"]


def read_certificates(text: str) -> tuple[bytes, ...]:
    """Certificates of a paste: PEM, one or several, or base64 of one or of a PKCS#7 bundle.

    Returns:
        DER, in the paste's order; empty: there is no certificate in it.
    """
    bodies = [found[1] for found in _ARMOR.finditer(text)] or [text]
    certificates: list[bytes] = []
    for body in bodies:
        certificates += _certificates_in(decode_base64(body))
    return tuple(certificates)


def _certificates_in(data: bytes) -> list[bytes]:
    single = load_readable(data)
    if single is not None:
        return [single.public_bytes(Encoding.DER)]
    try:
        bundle = pkcs7.load_der_pkcs7_certificates(data)
    except UNREADABLE:
        return []
    return [one.public_bytes(Encoding.DER) for one in bundle if is_readable(one)]
