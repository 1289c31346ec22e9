"""ASN.1 character strings to text and back, with the type kept where peers care about it.

Spec: X.680 §41; RFC 5280 §4.1.2.4 (DirectoryString); checklist T-43.
"""

from __future__ import annotations

import string

from cryptography.hazmat.asn1 import TLV, PrintableString

from sceplab_scep.ber import encode_length
from sceplab_scep.cms import wrap_der

PRINTABLE_STRING = "PrintableString"
UTF8_STRING = "UTF8String"

_STRING_TYPES: dict[bytes, tuple[str, str]] = {
    b"\x0c": (UTF8_STRING, "utf-8"),
    b"\x13": (PRINTABLE_STRING, "ascii"),
    b"\x14": ("TeletexString", "latin-1"),
    b"\x16": ("IA5String", "ascii"),
    b"\x1c": ("UniversalString", "utf-32-be"),
    b"\x1e": ("BMPString", "utf-16-be"),
}

_PRINTABLE = frozenset(string.ascii_letters + string.digits + " '()+,-./:=?")


def is_printable_string(text: str) -> bool:
    """Whether every character has a place in PrintableString (which has no ``_``, ``@``, ``*``)."""
    return _PRINTABLE.issuperset(text)


def decode_string(element: TLV) -> tuple[str, str]:
    """Text of a character string, and the name of its type.

    Raises:
        ValueError: another type, or bytes that are no text of that type.
    """
    try:
        type_name, encoding = _STRING_TYPES[element.tag_bytes]
    except KeyError:
        raise ValueError(f"tag {element.tag_bytes.hex()} is no character string") from None
    return bytes(element.data).decode(encoding), type_name


def encode_printable(text: str) -> TLV:
    """A PrintableString; also of ASCII characters it should not have, to echo a peer's text."""
    content = text.encode("ascii")
    return wrap_der(b"\x13" + encode_length(len(content)) + content)


def directory_string(text: str) -> PrintableString | str:
    """A PrintableString when the text fits, else a UTF8String. Spec: checklist T-43."""
    return PrintableString(text) if is_printable_string(text) else text
