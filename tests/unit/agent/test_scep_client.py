"""The three operations: what is asked, and what counts as an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.core.events import FailureCause
from sceplab_agent.errors import (
    ConnectionClosedError,
    HttpStatusError,
    NoAnswerError,
    TransportError,
    TransportTimeoutError,
    UnusableReplyError,
)
from sceplab_agent.exchange import run_exchange
from sceplab_agent.scep_client import ScepClient
from sceplab_agent.transport import HttpResponse
from sceplab_agent.url import UrlError, operation_url, split_url
from sceplab_scep.capabilities import NO_CAPABILITIES
from sceplab_scep.degenerate import build_certs_only
from sceplab_scep.operations import decode_get_message
from tests.support.scripted_peer import AUTHORITY

URL = "http://ca.example.org/scep"


class Wire:
    """A transport that gives one answer and keeps the requests."""

    def __init__(self, answer: HttpResponse | TransportError | bytes) -> None:
        self.answer = HttpResponse(status=200, body=answer) if isinstance(answer, bytes) else answer
        self.requests: list[dict[str, Any]] = []

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`."""
        self.requests.append({"method": method, "url": url, "body": body, "type": content_type})
        if isinstance(self.answer, TransportError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/scep", "http://h/scep?operation=X"),
        ("http://h:8080", "http://h:8080/cgi-bin/pkiclient.exe?operation=X"),
        ("http://h/", "http://h/?operation=X"),
        ("https://h/a?b=c", "https://h/a?b=c&operation=X"),
        ("http://h/a#part", "http://h/a?operation=X"),
        ("http://h/A%2fb/pkiclient.exe", "http://h/A%2fb/pkiclient.exe?operation=X"),
        ("http://[2001:db8::1]:81", "http://[2001:db8::1]:81/cgi-bin/pkiclient.exe?operation=X"),
    ],
)
@pytest.mark.covers("C-28", "T-44")
def test_operation_is_appended_to_the_url_as_it_is(url: str, expected: str) -> None:
    """The configured URL is opaque; without a path it gets the RFC's."""
    assert operation_url(url, "operation=X") == expected


@pytest.mark.parametrize(
    "url",
    ["", "ca.example.org", "ldap://h", "http://", "http://h:99999", "http://h:0", "http://[::1",
     "http://h/ä", "http://h/\nX: y", "http://u@h/"],
)  # fmt: skip
def test_unusable_urls_are_refused(url: str) -> None:
    """What cannot be sent, or carries a login, is refused without being repeated."""
    with pytest.raises(UrlError) as caught:
        split_url(url)
    assert not url or url not in str(caught.value)


def test_capabilities_are_read() -> None:
    """GetCACaps without a CA identifier has no message parameter."""
    wire = Wire(b"AES\r\nsha-256\r\nX-unknown\r\n")
    capabilities = run_exchange(ScepClient(URL).fetch_capabilities(), wire)
    assert capabilities.keywords == {"AES", "SHA-256"}
    assert wire.requests == [
        {"method": "GET", "url": f"{URL}?operation=GetCACaps", "body": None, "type": None}
    ]


@pytest.mark.covers("C-23")
@pytest.mark.parametrize("content_type", ["", "text/html", "application/x-pki-message", "\0"])
def test_capabilities_are_read_whatever_they_are_called(content_type: str) -> None:
    """The content type of the answer decides nothing."""
    wire = Wire(HttpResponse(status=200, content_type=content_type, body=b"AES\nSHA-256\n"))
    capabilities = run_exchange(ScepClient(URL).fetch_capabilities(), wire)
    assert capabilities.keywords == {"AES", "SHA-256"}


@pytest.mark.covers("T-14")
def test_identifier_is_escaped() -> None:
    """A CA identifier goes out as ``message``, percent-escaped."""
    client = ScepClient(URL, ca_identifier="my ca/&1")
    wire = Wire(b"AES\n")
    run_exchange(client.fetch_capabilities(), wire)
    assert wire.requests[0]["url"] == f"{URL}?operation=GetCACaps&message=my%20ca%2F%261"


@pytest.mark.covers("C-24", "T-32")
@pytest.mark.parametrize(
    "answer",
    [
        *(HttpResponse(status=status) for status in (400, 401, 403, 404, 405, 410)),
        HttpResponse(status=204),
        HttpResponse(status=200),
        HttpResponse(status=200, body=b"<html>AES</html>"),
        UnusableReplyError("the answer is not HTTP"),
        NoAnswerError("closed"),
    ],
)
def test_missing_capabilities_are_no_failure(answer: HttpResponse | TransportError) -> None:
    """A 4xx, nothing, a page, no HTTP, or a closed connection mean: nothing is listed."""
    exchange = ScepClient(URL).fetch_capabilities()
    assert run_exchange(exchange, Wire(answer)) == NO_CAPABILITIES


@pytest.mark.parametrize("body", [b"\x00\xff" * 40, b"no such operation\n", b"\n\n"])
def test_unintelligible_capabilities_are_none(body: bytes) -> None:
    """A body without a single keyword lists no capability."""
    capabilities = run_exchange(ScepClient(URL).fetch_capabilities(), Wire(body))
    assert capabilities.keywords == frozenset()


@pytest.mark.parametrize(
    "answer",
    [
        *(HttpResponse(status=status) for status in (408, 425, 429, 500, 501, 502, 503, 504)),
        TransportTimeoutError("slow"),
        ConnectionClosedError("truncated"),
        TransportError("refused", is_retryable=True),
    ],
)
def test_what_may_pass_is_not_taken_for_a_lack(answer: HttpResponse | TransportError) -> None:
    """A server that is away, busy or cut off must not look like one that can do little."""
    with pytest.raises(TransportError) as caught:
        run_exchange(ScepClient(URL).fetch_capabilities(), Wire(answer))
    assert caught.value.is_retryable


def test_redirected_capabilities_are_a_fault_of_the_url() -> None:
    """A redirect says where the server is, not what it can do; repeating does not help."""
    answer = HttpResponse(status=301, headers={"location": "http://other.example/scep"})
    with pytest.raises(HttpStatusError, match=r"other\.example") as caught:
        run_exchange(ScepClient(URL).fetch_capabilities(), Wire(answer))
    assert not caught.value.is_retryable


@pytest.mark.covers("C-24", "T-32")
@pytest.mark.parametrize("status", [500, 501])
def test_a_server_that_keeps_saying_500_has_no_capabilities(status: int) -> None:
    """Old servers answer an unknown operation with 500: the third in a row is believed."""
    client, wire = ScepClient(URL), Wire(HttpResponse(status=status))
    for _ in range(2):
        with pytest.raises(HttpStatusError):
            run_exchange(client.fetch_capabilities(), wire)
    assert run_exchange(client.fetch_capabilities(), wire) == NO_CAPABILITIES
    with pytest.raises(HttpStatusError):
        run_exchange(client.fetch_capabilities(), wire)


def test_a_503_is_never_believed() -> None:
    """A server that says it is busy is busy, however often it says so; the count starts anew."""
    client = ScepClient(URL)
    for status in (503, 503, 503, 500, 500, 503, 500, 500):
        with pytest.raises(HttpStatusError):
            run_exchange(client.fetch_capabilities(), Wire(HttpResponse(status=status)))


@pytest.mark.covers("A8", "T-15")
def test_ca_certificates_are_read_by_content() -> None:
    """A bundle, a bare certificate and PEM are told apart by what they are."""
    single = AUTHORITY.root.certificate
    der = single.public_bytes(Encoding.DER)
    for body, expected in (
        (build_certs_only(AUTHORITY.bundle), 3),
        (der, 1),
        (single.public_bytes(Encoding.PEM), 1),
    ):
        wire = Wire(HttpResponse(status=200, content_type="text/html", body=body))
        found = run_exchange(ScepClient(URL).fetch_ca_certificates(), wire)
        assert len(found) == expected
        assert der in found


@pytest.mark.parametrize(
    "body", [b"garbage", b"\x30\x82\xff", b"<html>", b"", build_certs_only([])]
)
def test_answer_without_ca_certificates_is_unusable(body: bytes) -> None:
    """No certificates, no answer."""
    with pytest.raises(UnusableReplyError) as caught:
        run_exchange(ScepClient(URL).fetch_ca_certificates(), Wire(body))
    assert caught.value.cause is FailureCause.PEER
    assert caught.value.is_retryable


@pytest.mark.covers("C-26")
def test_message_goes_by_post() -> None:
    """POST carries the message as the body, under its content type."""
    wire = Wire(b"reply")
    message = b"\x30\x80\xff"
    assert run_exchange(ScepClient(URL).send_message(message, use_post=True), wire) == b"reply"
    assert wire.requests == [
        {
            "method": "POST",
            "url": f"{URL}?operation=PKIOperation",
            "body": message,
            "type": "application/x-pki-message",
        }
    ]


@pytest.mark.covers("C-27")
def test_message_goes_by_get() -> None:
    """GET carries it as base64 without line breaks, every special character escaped."""
    wire = Wire(b"reply")
    message = bytes(range(256)) * 4
    run_exchange(ScepClient(URL).send_message(message, use_post=False), wire)
    (request,) = wire.requests
    value = request["url"].removeprefix(f"{URL}?operation=PKIOperation&message=")
    assert request["method"] == "GET"
    assert not set(value) & set("+/=\n %0A") - set("%0A")
    assert decode_get_message(value) == message


def test_status_of_a_message_is_told() -> None:
    """HTTP errors of PKIOperation are errors."""
    with pytest.raises(HttpStatusError, match="PKIOperation: HTTP 414"):
        run_exchange(
            ScepClient(URL).send_message(b"x", use_post=False), Wire(HttpResponse(status=414))
        )


def test_unusable_url_is_a_configuration_fault() -> None:
    """A URL that reached the client unchecked is a typed failure, not a crash."""
    with pytest.raises(TransportError) as caught:
        run_exchange(ScepClient("nonsense").fetch_ca_certificates(), Wire(b""))
    assert caught.value.cause is FailureCause.CONFIGURATION
