"""Events: what they record, what they show, what they keep to themselves."""

from __future__ import annotations

import io
import json

import pytest

from sceplab_ndes.events import ServerEvent, ignore_event, json_lines
from tests.support.scep_device import ScepDevice, fetch_password, issued
from tests.support.server import NOW, make_server


def test_json_lines_hold_one_event_each() -> None:
    """Readable back, with the names of numbers."""
    stream = io.StringIO()
    server = make_server("ndes", events=json_lines(stream))
    device = ScepDevice(server=server)
    issued(device.enroll(fetch_password(server)))
    device.enroll("0" * 16)
    good, bad = map(json.loads, stream.getvalue().splitlines())
    assert good["kind"] == "request.issued"
    assert good["message_type"] == "PKCS_REQ"
    assert bad["fail_info"] == "badRequest"
    assert bad["hresult"] == "0x80070490"
    assert bad["cause"] == "challenge-unknown"


@pytest.mark.covers("A38")
def test_a_trace_shows_message_and_reply_without_the_password() -> None:
    """What was in the envelope is explained because the server opened it."""
    events: list[ServerEvent] = []
    server = make_server(events=events.append)
    password = fetch_password(server)
    issued(ScepDevice(server=server).enroll(password, transaction_id="TRACE"))
    (event,) = events
    message, reply = str(event.trace_message()), str(event.trace_reply())
    assert message.startswith("PKCSReq")
    assert reply.startswith("CertRep SUCCESS")
    for text in (message, reply):
        assert "TRACE" in text
        assert password not in text
    assert "router1.example.test" in message


def test_a_message_nobody_can_explain_is_still_shown() -> None:
    """An undefined message type was answered; its trace says why it is unreadable."""
    events: list[ServerEvent] = []
    server = make_server(events=events.append)
    device = ScepDevice(server=server)
    sent = device.pkcs_req("x")
    device.post(sent.data.replace(b"\x13\x0219", b"\x13\x0299"))
    assert "unreadable message" in str(events[0].trace_message())
    assert str(events[0].trace_reply()).startswith("CertRep FAILURE")


def test_an_event_without_a_message_has_no_trace() -> None:
    """And the sink for nobody takes it."""
    event = ServerEvent(kind="page.general", at=NOW)
    ignore_event(event)
    assert event.trace_message() is None
    assert event.trace_reply() is None
    assert event.record() == {"kind": "page.general", "at": NOW.isoformat(), "status": 200}


def test_kinds_are_those_of_the_catalogue() -> None:
    """Every kind the source emits stands in the module's docstring."""
    import re
    from pathlib import Path

    import sceplab_ndes
    from sceplab_ndes import events

    listed = set(re.findall(r"``([a-z_]+\.[a-z_]+)``", events.__doc__ or ""))
    folder = Path(str(sceplab_ndes.__file__)).parent
    source = "\n".join(path.read_text("utf-8") for path in folder.rglob("*.py"))
    emitted = set(re.findall(r'kind="([a-z_]+\.[a-z_]+)"', source))
    emitted |= set(re.findall(r'_answer\("([a-z_]+\.[a-z_]+)"', source))
    assert emitted
    assert emitted <= listed
