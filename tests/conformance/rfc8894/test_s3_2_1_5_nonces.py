"""RFC 8894 §3.2.1.5: senderNonce and recipientNonce."""

from __future__ import annotations

import dataclasses

import pytest

from sceplab_scep.attributes import NONCE_BYTES
from sceplab_scep.errors import NonceMismatchError
from tests.support.outside_view import RECIPIENT_NONCE, SENDER_NONCE, look_at
from tests.support.pki import (
    NONCE,
    SERVER_NONCE,
    pending,
    pkcs_req,
    reply_bytes,
    request_bytes,
    take_reply,
    take_request,
)
from tests.support.vectors import craft_reply, scep_attributes


def test_length() -> None:
    """Our nonces have sixteen bytes."""
    assert NONCE_BYTES == 16


@pytest.mark.parametrize("size", [1, 8, 16, 32, 64])
def test_lengths_of_peers(size: int) -> None:
    """Shorter and longer nonces of old peers are read and can be echoed."""
    nonce = bytes(range(size))
    message = request_bytes(pkcs_req(sender_nonce=nonce))
    assert look_at(message).attributes[SENDER_NONCE].native == nonce
    assert take_request(message).sender_nonce == nonce
    rep = dataclasses.replace(pending(), recipient_nonce=nonce)
    assert take_reply(reply_bytes(rep), sender_nonce=nonce) == rep


@pytest.mark.covers("S-11")
def test_reply_copies_the_nonce() -> None:
    """recipientNonce is the request's senderNonce; the server adds one of its own."""
    values = look_at(reply_bytes(pending())).attributes
    assert values[RECIPIENT_NONCE].native == NONCE
    assert values[SENDER_NONCE].native == SERVER_NONCE


@pytest.mark.covers("C-17", "T-04", "T-05")
def test_wrong_or_missing_nonce() -> None:
    """A reply whose recipientNonce is not ours, or absent, is rejected."""
    with pytest.raises(NonceMismatchError):
        take_reply(reply_bytes(pending()), sender_nonce=bytes(16))
    attributes = scep_attributes("3", status="3", recipient_nonce=None)
    with pytest.raises(NonceMismatchError, match="no recipientNonce"):
        take_reply(craft_reply("3", attributes=attributes))


def test_server_nonce_is_not_demanded() -> None:
    """A reply without senderNonce is fine: the RFC dropped it."""
    rep = dataclasses.replace(pending(), sender_nonce=None)
    assert take_reply(reply_bytes(rep)) == rep
