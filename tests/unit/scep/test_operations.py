"""Queries: one way to write them, many to read them."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs

import pytest

from sceplab_scep.errors import MalformedMessageError, RemoteProtocolError
from sceplab_scep.operations import (
    Operation,
    build_query,
    decode_get_message,
    encode_get_message,
    parse_query,
)
from tests.support.pki import request_bytes
from tests.support.vectors import get_values

EVERY_BYTE = bytes(range(256)) * 3
MESSAGE = request_bytes()


@pytest.mark.covers("C-27")
@pytest.mark.parametrize("message", [b"\x00", b"\xfb\xff\xfe", EVERY_BYTE, MESSAGE])
def test_what_is_written_is_read(message: bytes) -> None:
    """base64 without line breaks, every special character escaped; the value comes back."""
    value = encode_get_message(message)
    assert set("+/= \r\n").isdisjoint(value)
    assert decode_get_message(value) == message
    query = build_query(Operation.PKI_OPERATION, message=value)
    assert parse_query(query) == (Operation.PKI_OPERATION, value)


@pytest.mark.covers("C-27")
def test_other_servers_decode_it() -> None:
    """A plain reading of the query and of base64 gives the message."""
    query = build_query(Operation.PKI_OPERATION, message=encode_get_message(EVERY_BYTE))
    assert base64.b64decode(parse_qs(query)["message"][0], validate=True) == EVERY_BYTE


@pytest.mark.covers("T-16")
@pytest.mark.parametrize("writer", list(get_values(b"")))
@pytest.mark.parametrize("message", [EVERY_BYTE, EVERY_BYTE + b"1", EVERY_BYTE + b"12", MESSAGE])
def test_every_known_writer(writer: str, message: bytes) -> None:
    """Line breaks, bare signs, base64url, lost padding, spaces and double escapes are read."""
    assert decode_get_message(get_values(message)[writer]) == message


@pytest.mark.parametrize(
    "value", ["", "%", "%zz", "!!!!", "A", "AAAAA", "\u00fc", "%00", "%25%25", "====", "AA=A"]
)
def test_no_message(value: str) -> None:
    """What is base64 in no spelling is malformed."""
    with pytest.raises(MalformedMessageError, match="base64"):
        decode_get_message(value)


@pytest.mark.parametrize(
    ("query", "operation", "message"),
    [
        ("operation=GetCACaps", Operation.GET_CA_CAPS, None),
        ("operation=GetCACert&message=ca", Operation.GET_CA_CERT, "ca"),
        ("message=ca&operation=GetCACert", Operation.GET_CA_CERT, "ca"),
        ("OPERATION=getcacert&Message=0", Operation.GET_CA_CERT, "0"),
        ("operation=PKIOperation&message=a%2Bb+c", Operation.PKI_OPERATION, "a%2Bb+c"),
        ("operation=PKIOperation&message=a=b==", Operation.PKI_OPERATION, "a=b=="),
        ("operation=GetNextCACert", Operation.GET_NEXT_CA_CERT, None),
        ("operation=GetCACertChain", Operation.GET_CA_CERT, None),
        ("x=1&operation=GetCACaps&y", Operation.GET_CA_CAPS, None),
        ("operation=GetCACaps&message=", Operation.GET_CA_CAPS, ""),
        ("operation=Get%43ACaps", Operation.GET_CA_CAPS, None),
        ("", None, None),
        ("message=abc", None, "abc"),
    ],
)
def test_reading(query: str, operation: Operation | None, message: str | None) -> None:
    """Any order, names in any case, the message untouched; no operation is no error."""
    assert parse_query(query) == (operation, message)


@pytest.mark.parametrize("query", ["operation=", "operation=Frobnicate", "operation=%ff"])
def test_unknown_operation(query: str) -> None:
    """An operation nobody knows is refused."""
    with pytest.raises(RemoteProtocolError, match="operation is unknown"):
        parse_query(query)


@pytest.mark.parametrize("name", ["operation", "message"])
def test_given_twice(name: str) -> None:
    """A parameter with two values is refused rather than guessed."""
    with pytest.raises(RemoteProtocolError, match="two values"):
        parse_query(f"{name}=GetCACaps&{name.upper()}=GetCACert")


def test_writing_without_message() -> None:
    """GetCACaps has no message."""
    assert build_query(Operation.GET_CA_CAPS, message=None) == "operation=GetCACaps"
