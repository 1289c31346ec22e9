"""SCEP operations in a URL's query: names, the message, and its many spellings.

::

    ?operation=PKIOperation&message=MIAGCSqGSIb3DQEHAqCA...

Written one way, read in every way that was seen. Nothing here decodes a plus sign as a space.

Spec: RFC 8894 §4.1; checklist 2.1, 19.
"""

from __future__ import annotations

import base64
import binascii
import enum
from urllib.parse import quote, unquote_to_bytes

from sceplab_scep.errors import MalformedMessageError, RemoteProtocolError

CA_CERTIFICATE_TYPE = "application/x-x509-ca-cert"
CA_BUNDLE_TYPE = "application/x-x509-ca-ra-cert"
NEXT_CA_TYPE = "application/x-x509-next-ca-cert"
PKI_MESSAGE_TYPE = "application/x-pki-message"

_SECTION = "RFC 8894 §4.1"
_MAX_ESCAPE_LEVELS = 2


class Operation(enum.Enum):
    """Operations. The value is the spelling on the wire."""

    GET_CA_CAPS = "GetCACaps"
    GET_CA_CERT = "GetCACert"
    GET_NEXT_CA_CERT = "GetNextCACert"
    PKI_OPERATION = "PKIOperation"


_BY_NAME = {operation.value.lower(): operation for operation in Operation}
# Old drafts had an operation of its own for the bundle; some clients still ask for it.
_BY_NAME["getcacertchain"] = Operation.GET_CA_CERT


def build_query(operation: Operation, *, message: str | None) -> str:
    """The query of a request, without the question mark.

    Args:
        operation: what is asked for.
        message: value of ``message``, escaped already; ``None`` leaves it out.
    """
    query = f"operation={operation.value}"
    return query if message is None else f"{query}&message={message}"


def parse_query(raw_query: str) -> tuple[Operation | None, str | None]:
    """Operation and raw message of a query. Order is free, names are read in any case.

    Args:
        raw_query: as received: nothing decoded.

    Returns:
        The operation (``None``: the query names none) and the raw value of ``message``.

    Raises:
        RemoteProtocolError: an operation nobody knows, or a parameter given twice.
    """
    found: dict[str, str] = {}
    for part in raw_query.split("&"):
        name, _, value = part.partition("=")
        key = name.lower()
        if key not in {"operation", "message"}:
            continue
        if key in found:
            raise RemoteProtocolError(f"the query has two values for {key}", section=_SECTION)
        found[key] = value
    message = found.get("message")
    wanted = found.get("operation")
    if wanted is None:
        return None, message
    operation = _BY_NAME.get(unquote_to_bytes(wanted).decode("ascii", "replace").strip().lower())
    if operation is None:
        raise RemoteProtocolError("the operation is unknown", section=_SECTION, attribute=wanted)
    return operation, message


def encode_get_message(message_der: bytes) -> str:
    """A pkiMessage as value of ``message``: base64 without line breaks, then percent-escaped."""
    return quote(base64.b64encode(message_der).decode("ascii"), safe="")


def decode_get_message(raw_value: str) -> bytes:
    """The pkiMessage in a raw value of ``message``, however it was written.

    Reads line breaks, bare ``+`` and ``/``, spaces that were plus signs, base64url, missing
    padding, and a second level of percent-escapes.

    Raises:
        MalformedMessageError: no base64 in any of these spellings, or nothing at all.

    Spec: RFC 8894 §4.1; checklist 19 (T-16).
    """
    value = raw_value.encode("ascii", "replace")
    for _ in range(_MAX_ESCAPE_LEVELS):
        if b"%" not in value:
            break
        value = unquote_to_bytes(value)
    for dropped in (b"\r", b"\n", b"\t"):
        value = value.replace(dropped, b"")
    value = value.strip(b" ").replace(b" ", b"+").replace(b"-", b"+").replace(b"_", b"/")
    value = value.rstrip(b"=")
    try:
        message = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        message = b""
    if not message:
        raise MalformedMessageError("the message is not base64", section=_SECTION)
    return message
