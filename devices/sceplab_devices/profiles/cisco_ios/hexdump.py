"""Hexadecimal the way IOS prints it: groups of eight upper-case digits, a blank behind each group."""

from __future__ import annotations

_GROUP_BYTES = 4
_LINE_BYTES = 32


def grouped_hex(data: bytes) -> str:
    """``data`` in groups, trailing blank included, as fingerprints and key identifiers are shown."""
    return data.hex(" ", -_GROUP_BYTES).upper() + " "


def hex_lines(data: bytes, *, indent: int = 2) -> list[str]:
    """``data`` as a block of eight groups a line, trailing blank on each line."""
    pad = " " * indent
    return [
        pad + grouped_hex(data[start : start + _LINE_BYTES])
        for start in range(0, len(data), _LINE_BYTES)
    ]


def serial_hex(number: int) -> str:
    """A certificate's serial number: upper-case hexadecimal, an even number of digits."""
    digits = f"{number:X}"
    return digits.rjust(len(digits) + len(digits) % 2, "0")
