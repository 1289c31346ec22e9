"""Hexadecimal the way IOS prints it: eight upper-case digits and a blank, and again."""

from __future__ import annotations

import re

_CERTIFICATE = re.compile(r"^ certificate [^\n]*\n((?:  [0-9A-F ]+\n)+)  quit$", re.MULTILINE)
_GROUP_BYTES = 4
_LINE_BYTES = 32


def grouped_hex(data: bytes) -> str:
    """``data`` in groups, trailing blank included, as fingerprints are shown."""
    return data.hex(" ", -_GROUP_BYTES).upper() + " "


def hex_lines(data: bytes, *, indent: int = 2) -> list[str]:
    """``data`` as a block of eight groups a line, trailing blank on each line."""
    pad = " " * indent
    return [
        pad + grouped_hex(data[start : start + _LINE_BYTES])
        for start in range(0, len(data), _LINE_BYTES)
    ]


def serial_hex(number: int) -> str:
    """A certificate's serial number: content octets of its DER INTEGER (``00DC``)."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=number < 0).hex().upper()


def certificates_in(text: str) -> frozenset[bytes]:
    """DER of the certificates that a configuration's text carries."""
    return frozenset(bytes.fromhex(found[1]) for found in _CERTIFICATE.finditer(text))
