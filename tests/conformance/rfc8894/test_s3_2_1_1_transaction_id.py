"""RFC 8894 §3.2.1.1: the transactionID."""

from __future__ import annotations

import pytest

from sceplab_scep.errors import RemoteProtocolError, TransactionMismatchError
from tests.support.outside_view import TRANSACTION_ID as OID
from tests.support.outside_view import look_at
from tests.support.pki import (
    NONCE,
    TRANSACTION_ID,
    pending,
    pkcs_req,
    reply_bytes,
    request_bytes,
    take_reply,
    take_request,
)
from tests.support.vectors import Craft, craft_reply, scep_attributes

SEEN_IN_THE_FIELD = [
    "d41d8cd98f00b204e9800998ecf8427e",
    "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
    "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    "9" * 77,
    "00-1B-44-11-3A-B7",
    "x" * 255,
]


@pytest.mark.covers("C-15")
@pytest.mark.parametrize("transaction_id", SEEN_IN_THE_FIELD)
def test_it_travels_unchanged(transaction_id: str) -> None:
    """Any PrintableString text a client chooses arrives as it was sent."""
    message = request_bytes(pkcs_req(transaction_id=transaction_id))
    assert look_at(message).attributes[OID].native == transaction_id
    assert take_request(message).transaction_id == transaction_id


def test_reply_has_the_same() -> None:
    """The answer carries the transactionID of the message answered."""
    assert look_at(reply_bytes(pending())).attributes[OID].native == TRANSACTION_ID


@pytest.mark.covers("C-41")
def test_reply_with_another() -> None:
    """A reply for another transaction is not taken for ours."""
    with pytest.raises(TransactionMismatchError):
        take_reply(reply_bytes(pending()), transaction_id="another")
    attributes = scep_attributes("3", recipient_nonce=NONCE, status="3", transaction_id="x")
    with pytest.raises(TransactionMismatchError):
        take_reply(craft_reply("3", attributes=attributes))


@pytest.mark.parametrize("transaction_id", ["", "x" * 256, "a\x07b", "a\nb"])
def test_unusable(transaction_id: str) -> None:
    """Empty, overlong or invisible text is no transactionID."""
    message = Craft(attributes=scep_attributes(transaction_id=transaction_id)).build()
    with pytest.raises(RemoteProtocolError) as caught:
        take_request(message)
    assert caught.value.attribute == "transactionID"
