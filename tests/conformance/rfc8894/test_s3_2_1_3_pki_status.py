"""RFC 8894 §3.2.1.3: the pkiStatus."""

from __future__ import annotations

import pytest

from sceplab_scep.attributes import PkiStatus
from sceplab_scep.errors import RemoteProtocolError
from sceplab_scep.messages import CertRep
from tests.support.outside_view import PKI_STATUS, look_at
from tests.support.pki import failure, pending, reply_bytes, success, take_reply
from tests.support.vectors import craft_reply


@pytest.mark.parametrize(
    ("rep", "number", "status"),
    [
        (success(), "0", PkiStatus.SUCCESS),
        (failure(), "2", PkiStatus.FAILURE),
        (pending(), "3", PkiStatus.PENDING),
    ],
)
def test_numbers(rep: CertRep, number: str, status: PkiStatus) -> None:
    """0, 2 and 3 as decimal text."""
    data = reply_bytes(rep)
    assert look_at(data).attributes[PKI_STATUS].native == number
    assert take_reply(data).status is status


@pytest.mark.covers("C-18")
@pytest.mark.parametrize("number", ["1", "4", "11", "x"])
def test_undefined_numbers(number: str) -> None:
    """There is no 1, and nothing above 3."""
    with pytest.raises(RemoteProtocolError) as caught:
        take_reply(craft_reply(number))
    assert caught.value.attribute == "pkiStatus"
    assert caught.value.section == "RFC 8894 §3.2.1.3"
