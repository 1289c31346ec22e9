"""RFC 8894 §4.1: a message inside a query."""

from __future__ import annotations

import base64
from urllib.parse import unquote

import pytest

from sceplab_scep.operations import (
    CA_BUNDLE_TYPE,
    CA_CERTIFICATE_TYPE,
    PKI_MESSAGE_TYPE,
    Operation,
    build_query,
    decode_get_message,
    encode_get_message,
    parse_query,
)
from tests.support.pki import request_bytes
from tests.support.vectors import get_values

MESSAGE = request_bytes()


@pytest.mark.covers("C-27")
def test_writing() -> None:
    """base64 without line breaks, then percent-escaped: nothing a proxy could turn around."""
    query = build_query(Operation.PKI_OPERATION, message=encode_get_message(MESSAGE))
    name, _, value = query.partition("&message=")
    assert name == "operation=PKIOperation"
    assert base64.b64decode(unquote(value), validate=True) == MESSAGE
    assert value.isascii()
    assert set("+/= \n").isdisjoint(value)


@pytest.mark.covers("T-16")
@pytest.mark.parametrize("writer", list(get_values(b"")))
def test_reading(writer: str) -> None:
    """Every spelling that clients are known to use is read, also with the message in front."""
    value = get_values(MESSAGE)[writer]
    for query in (
        f"operation=PKIOperation&message={value}",
        f"message={value}&operation=PKIOperation",
    ):
        operation, raw = parse_query(query)
        assert operation is Operation.PKI_OPERATION
        assert raw is not None
        assert decode_get_message(raw) == MESSAGE


def test_names_on_the_wire() -> None:
    """Operations and content types are spelled as the RFC registers them."""
    assert [operation.value for operation in Operation] == [
        "GetCACaps",
        "GetCACert",
        "GetNextCACert",
        "PKIOperation",
    ]
    assert CA_CERTIFICATE_TYPE == "application/x-x509-ca-cert"
    assert CA_BUNDLE_TYPE == "application/x-x509-ca-ra-cert"
    assert PKI_MESSAGE_TYPE == "application/x-pki-message"
