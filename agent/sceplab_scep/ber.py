"""Reads what is BER but not DER, so that the strict declarations of `cms` can take it.

One iterative walk makes lengths definite and minimal, joins segmented OCTET STRINGs and puts the
sets of the CMS frame in order. It does not validate values, and it never looks into an OCTET
STRING: content that was signed stays as it was.

Spec: X.690 §8, §10, §11; checklist T-22.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from cryptography.hazmat.asn1 import decode_der

from sceplab_scep.errors import MalformedMessageError

MAX_MESSAGE_BYTES = 1 << 20
"""Longest message, envelope or certificate bundle that is looked at. Spec: checklist C-46."""

MAX_DEPTH = 32
MAX_ELEMENTS = 20_000

_CONSTRUCTED = 0x20
_HIGH_TAG = 0x1F
_LONG_LENGTH = 0x80
_SEGMENTED_OCTETS = b"\x24"
_OCTETS = b"\x04"
_SET = b"\x31"
_END_OF_CONTENTS = b"\x00\x00"

_MAX_SORTED_DEPTH = 3
"""Deeper sets belong to names and attributes; sorting those would break signatures over them."""

T = TypeVar("T")


class BerError(ValueError):
    """Not BER either, or beyond the limits of this module."""


@dataclass(slots=True)
class Element:
    """One element of a BER encoding."""

    identifier: bytes
    start: int
    """Offset of the identifier in the source."""
    content_end: int | None
    """Offset behind the content; ``None``: the length is indefinite."""
    limit: int
    """Offset that no part of this element may pass."""
    children: list[Element] = field(default_factory=list)
    end: int = 0
    """Offset behind the element, end-of-contents octets included; 0 while it is open."""
    content: bytes = b""
    """Content, normalised."""

    @property
    def der(self) -> bytes:
        """The element, normalised."""
        return self.identifier + encode_length(len(self.content)) + self.content


def encode_length(length: int) -> bytes:
    """Definite, minimal length octets."""
    if length < _LONG_LENGTH:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((_LONG_LENGTH | len(octets),)) + octets


def parse_ber(data: bytes) -> Element:
    """The one element in ``data``, as a tree with normalised contents.

    Raises:
        BerError: malformed, trailing bytes, too deep or too many elements.
    """
    root = Element(b"", 0, None, len(data))
    open_elements = [root]
    offset = 0
    count = 0
    while open_elements:
        element = open_elements[-1]
        finished_at = _finished_at(data, element, offset)
        if finished_at is not None:
            offset = element.end = finished_at
            _close(element, len(open_elements) - 2)
            open_elements.pop()
            continue
        count += 1
        if count > MAX_ELEMENTS or len(open_elements) > MAX_DEPTH:
            raise BerError("too many or too deeply nested elements")
        child, offset = _open(data, offset, element.limit)
        element.children.append(child)
        if child.end == 0:
            open_elements.append(child)
    if offset != len(data):
        raise BerError("trailing bytes")
    return root.children[0]


def _finished_at(data: bytes, element: Element, offset: int) -> int | None:
    """Offset behind the element when nothing more belongs to it, else ``None``."""
    if not element.identifier:
        return offset if element.children else None
    if element.content_end is not None:
        return offset if offset == element.content_end else None
    if data[offset : offset + 2] == _END_OF_CONTENTS and offset + 2 <= element.limit:
        return offset + 2
    return None


def _open(data: bytes, offset: int, limit: int) -> tuple[Element, int]:
    """Reads identifier and length; a primitive element also gets its content."""
    start = offset
    offset = _skip_identifier(data, offset, limit)
    identifier = data[start:offset]
    length, offset = read_length(data, offset, limit)
    if length is None:
        if not identifier[0] & _CONSTRUCTED:
            raise BerError("a primitive element of indefinite length")
        return Element(identifier, start, None, limit), offset
    end = offset + length
    if end > limit:
        raise BerError("an element is longer than what surrounds it")
    element = Element(identifier, start, end, end)
    if identifier[0] & _CONSTRUCTED:
        return element, offset
    element.content = data[offset:end]
    element.end = end
    return element, end


def _skip_identifier(data: bytes, offset: int, limit: int) -> int:
    if offset >= limit:
        raise BerError("truncated")
    first = data[offset]
    offset += 1
    if first & _HIGH_TAG == _HIGH_TAG:
        while offset < limit and data[offset] & _LONG_LENGTH:
            offset += 1
        offset += 1
    return offset


def read_length(data: bytes, offset: int, limit: int) -> tuple[int | None, int]:
    """Length, ``None`` for an indefinite one, and the offset behind it."""
    if offset >= limit:
        raise BerError("truncated")
    first = data[offset]
    offset += 1
    if first < _LONG_LENGTH:
        return first, offset
    if first == _LONG_LENGTH:
        return None, offset
    size = first & ~_LONG_LENGTH
    if offset + size > limit:
        raise BerError("truncated")
    return int.from_bytes(data[offset : offset + size], "big"), offset + size


def _close(element: Element, depth: int) -> None:
    """Puts the normalised content together from the children."""
    if element.identifier == _SEGMENTED_OCTETS:
        if any(child.identifier != _OCTETS for child in element.children):
            raise BerError("a segmented OCTET STRING holds something else")
        element.identifier = _OCTETS
        element.content = b"".join(child.content for child in element.children)
        return
    parts = [child.der for child in element.children]
    if element.identifier == _SET and depth <= _MAX_SORTED_DEPTH:
        parts.sort()
    element.content = b"".join(parts)


def join_segments(content: bytes) -> bytes:
    """Content of an implicitly tagged OCTET STRING that was written constructed.

    Raises:
        BerError: the content is not a row of OCTET STRINGs.
    """
    return parse_ber(_SEGMENTED_OCTETS + encode_length(len(content)) + content).content


def decode_tolerant(structure: type[T], data: bytes, what: str) -> tuple[T, Element | None]:
    """Decodes a structure: strictly first, and if that fails as BER.

    Args:
        structure: a declaration of `cms`.
        data: the encoding.
        what: name of the structure for the error text.

    Returns:
        The value, and the parsed source when it was not DER.

    Raises:
        MalformedMessageError: neither reading succeeds, or ``data`` is too long.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise MalformedMessageError(
            f"{what} of {len(data)} bytes; at most {MAX_MESSAGE_BYTES} are read", attribute=what
        )
    try:
        return decode_der(structure, data), None
    except ValueError as strict_error:
        try:
            source = parse_ber(data)
            return decode_der(structure, source.der), source
        except ValueError as error:
            reason = error if isinstance(error, BerError) else strict_error
            raise MalformedMessageError(
                f"this is no {what}: {_describe(data, reason)}", attribute=what
            ) from error


def _describe(data: bytes, error: Exception) -> str:
    """Why bytes are no message, for a person; a web page is called one."""
    start = data[:256].lstrip().lower()
    if not data:
        return "it is empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "it is a web page (captive portal, proxy or server error page?)"
    return str(error)
