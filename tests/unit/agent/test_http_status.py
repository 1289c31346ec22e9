"""Whose fault an HTTP answer is, and what its text tells a person."""

from __future__ import annotations

import pytest

from sceplab_agent.core.events import FailureCause
from sceplab_agent.errors import HttpStatusError, UnusableReplyError
from sceplab_agent.http_status import check_response
from sceplab_agent.text import clean_text, looks_like_markup
from sceplab_agent.transport import HttpResponse

CONFIGURATION = FailureCause.CONFIGURATION
TRANSPORT = FailureCause.TRANSPORT


@pytest.mark.parametrize(
    ("status", "cause", "is_retryable", "hint"),
    [
        (400, CONFIGURATION, False, "check the URL"),
        (404, CONFIGURATION, False, "check the path"),
        (405, CONFIGURATION, False, "lacks POST"),
        (413, CONFIGURATION, False, "POST"),
        (414, CONFIGURATION, False, "POST"),
        (301, CONFIGURATION, False, "redirects"),
        (401, TRANSPORT, False, "permissions"),
        (403, TRANSPORT, False, "permissions"),
        (407, TRANSPORT, False, "proxy"),
        (408, TRANSPORT, True, "busy"),
        (429, TRANSPORT, True, "busy"),
        (500, TRANSPORT, True, "at fault"),
        (502, TRANSPORT, True, "at fault"),
        (503, TRANSPORT, True, "at fault"),
        (599, TRANSPORT, True, "at fault"),
        (418, TRANSPORT, False, ""),
        (204, TRANSPORT, False, ""),
    ],
)
def test_status_says_whose_fault_it_is(
    status: int, cause: FailureCause, is_retryable: bool, hint: str
) -> None:
    """Each status has a cause, a hint, and whether trying again makes sense."""
    with pytest.raises(HttpStatusError) as caught:
        check_response(HttpResponse(status=status), "PKIOperation")
    error = caught.value
    assert (error.status, error.cause, error.is_retryable) == (status, cause, is_retryable)
    assert str(error).startswith(f"PKIOperation: HTTP {status}")
    assert hint in str(error)


def test_redirect_names_its_target_host_only() -> None:
    """The host is told, path and user names are not."""
    response = HttpResponse(
        status=302, headers={"location": "https://user:pw@portal.example.org/login?token=1"}
    )
    with pytest.raises(HttpStatusError, match=r"redirects to portal\.example\.org and") as caught:
        check_response(response, "GetCACert")
    assert "token" not in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.covers("T-36")
def test_plain_words_of_the_server_are_shown() -> None:
    """A text body is quoted on one line, without control characters."""
    body = b"no such\r\ntransaction\x1b[2J\x00 " + b"x" * 9000
    with pytest.raises(HttpStatusError) as caught:
        check_response(HttpResponse(status=500, body=body), "PKIOperation")
    assert 'it says: "no such transaction [2J' in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("body", [b"<html>secret page</html>", b"\x30\x82secret"])
def test_pages_and_binaries_are_not_quoted(body: bytes) -> None:
    """HTML and DER say nothing to a person."""
    with pytest.raises(HttpStatusError) as caught:
        check_response(HttpResponse(status=500, body=body), "PKIOperation")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"  \r\n<!DOCTYPE html>", b"\xef\xbb\xbf<?xml", b"\xff\xfe<\x00h\x00", b"\t<br>"],
)
def test_page_instead_of_an_answer_is_unusable(body: bytes) -> None:
    """A page with status 200 is a captive portal or an error page, whatever type it claims."""
    response = HttpResponse(status=200, content_type="application/x-pki-message", body=body)
    with pytest.raises(UnusableReplyError, match="captive portal") as caught:
        check_response(response, "PKIOperation")
    assert caught.value.is_retryable


@pytest.mark.covers("T-15")
@pytest.mark.parametrize("content_type", ["", "text/html", "application/octet-stream", "\x00"])
def test_content_type_decides_nothing(content_type: str) -> None:
    """The same bytes are taken under any content type."""
    response = HttpResponse(status=200, content_type=content_type, body=b"\x30\x03\x02\x01\x00")
    assert check_response(response, "PKIOperation") == response.body


@pytest.mark.parametrize("body", [b"\x30\x80", b"-----BEGIN PKCS7-----", b"MIIB", b"AES\n", b"a<b"])
def test_answers_are_not_taken_for_pages(body: bytes) -> None:
    """DER, PEM, base64 and keywords are no markup."""
    assert not looks_like_markup(body)


def test_clean_text_is_one_printable_line() -> None:
    """Received text cannot break a log line."""
    assert clean_text(" a\n\tb\x07\u2028c ") == "a b c"
    assert clean_text("x" * 300) == "x" * 199 + "…"
    assert len(clean_text("\n" * 10**6)) == 0
