"""RFC 8894 §3.2.1.2: the messageType."""

from __future__ import annotations

import pytest

from sceplab_scep.attributes import MessageType
from sceplab_scep.errors import RemoteProtocolError
from sceplab_scep.messages import CertPoll
from tests.support.outside_view import MESSAGE_TYPE, look_at
from tests.support.pki import (
    CA_NAME,
    DEVICE_NAME,
    NONCE,
    TRANSACTION_ID,
    name,
    pkcs_req,
    renewal_req,
    reply_bytes,
    request_bytes,
    take_request,
)
from tests.support.vectors import Craft, scep_attributes

POLL = CertPoll(
    transaction_id=TRANSACTION_ID,
    sender_nonce=NONCE,
    issuer=name(CA_NAME),
    subject=name(DEVICE_NAME),
)


@pytest.mark.parametrize(
    ("message", "number"),
    [
        (request_bytes(pkcs_req()), "19"),
        (request_bytes(renewal_req()), "17"),
        (request_bytes(POLL), "20"),
        (reply_bytes(), "3"),
    ],
)
def test_numbers(message: bytes, number: str) -> None:
    """Each message states its number as decimal text."""
    assert look_at(message).attributes[MESSAGE_TYPE].native == number


def test_all_numbers_are_known() -> None:
    """The six message types of the RFC and no other."""
    assert {int(number) for number in MessageType} == {3, 17, 19, 20, 21, 22}


@pytest.mark.covers("C-18")
@pytest.mark.parametrize("number", ["0", "1", "4", "18", "23", "190", "-3", "", " 19", "019", "x"])
def test_undefined_numbers(number: str) -> None:
    """Anything that is not defined is an error that names the attribute."""
    with pytest.raises(RemoteProtocolError) as caught:
        take_request(Craft(attributes=scep_attributes(number)).build())
    assert caught.value.attribute == "messageType"
    assert caught.value.section == "RFC 8894 §3.2.1.2"
