"""RFC 8894 §3.2.1.4: failInfo and failInfoText."""

from __future__ import annotations

import pytest

from sceplab_scep.attributes import FailInfo
from sceplab_scep.errors import RemoteProtocolError
from tests.support.outside_view import FAIL_INFO, FAIL_INFO_TEXT, look_at
from tests.support.pki import failure, pending, reply_bytes, success, take_reply
from tests.support.vectors import craft_reply

NAMES = ["badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"]


@pytest.mark.covers("S-12")
@pytest.mark.parametrize("fail_info", list(FailInfo))
def test_numbers(fail_info: FailInfo) -> None:
    """A FAILURE states its reason as decimal text; the reason has the RFC's name."""
    data = reply_bytes(failure(fail_info))
    assert look_at(data).attributes[FAIL_INFO].native == str(int(fail_info))
    assert take_reply(data).fail_info is fail_info
    assert fail_info.wire_name == NAMES[fail_info]


@pytest.mark.covers("S-12")
def test_only_in_a_failure() -> None:
    """SUCCESS and PENDING have none."""
    for rep in (success(), pending()):
        assert FAIL_INFO not in look_at(reply_bytes(rep)).attributes


@pytest.mark.covers("C-18")
@pytest.mark.parametrize("number", ["5", "9", "-1", None])
def test_undefined_or_missing(number: str | None) -> None:
    """A FAILURE without one of the five reasons is an error."""
    with pytest.raises(RemoteProtocolError) as caught:
        take_reply(craft_reply("2", fail_info=number))
    assert caught.value.attribute == "failInfo"


@pytest.mark.covers("C-19")
@pytest.mark.parametrize("text", ["0", "badAlg", "2: try again", "パスワードが違います"])
def test_text_is_for_people(text: str) -> None:
    """failInfoText comes through as it is and never changes what failInfo says."""
    data = reply_bytes(failure(FailInfo.BAD_TIME, fail_info_text=text))
    assert look_at(data).attributes[FAIL_INFO_TEXT].native == text
    rep = take_reply(data)
    assert rep.fail_info_text == text
    assert rep.fail_info is FailInfo.BAD_TIME
