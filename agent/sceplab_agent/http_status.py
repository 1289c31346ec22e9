"""What an HTTP answer means for SCEP: whose fault a status is, and what to do about it.

Spec: checklist 20, T-36.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from sceplab_agent.core.events import FailureCause
from sceplab_agent.errors import HttpStatusError, UnusableReplyError
from sceplab_agent.text import clean_text, looks_like_markup
from sceplab_agent.transport import HttpResponse

_SERVER_FAULTS = range(500, 600)
_REDIRECTS = range(300, 400)
_TOO_LONG = "the request is too long for the server; it has to offer POST"
_CONFIGURATION_HINTS = {
    HTTPStatus.BAD_REQUEST: "check the URL and the CA identifier",
    HTTPStatus.NOT_FOUND: "check the path of the URL",
    HTTPStatus.METHOD_NOT_ALLOWED: "the URL is not that of a SCEP server, or it lacks POST",
    HTTPStatus.GONE: "check the path of the URL",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _TOO_LONG,
    HTTPStatus.REQUEST_URI_TOO_LONG: _TOO_LONG,
}
_ACCESS_HINTS = {
    HTTPStatus.UNAUTHORIZED: "a proxy or the web server's permissions ask for a login",
    HTTPStatus.FORBIDDEN: "a proxy or the web server's permissions forbid it",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "a proxy asks for a login",
}
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


def check_response(response: HttpResponse, operation: str) -> bytes:
    """Body of a successful answer that may be a SCEP server's, whatever its content type.

    Args:
        response: what came.
        operation: name of the operation, for the text.

    Raises:
        HttpStatusError: any status but 200; `is_retryable` and `cause` as the status says.
        UnusableReplyError: 200 with an HTML page or with nothing.
    """
    if response.status != HTTPStatus.OK:
        raise _status_error(response, operation)
    if not response.body:
        raise UnusableReplyError(f"{operation}: the server answered with an empty body")
    if looks_like_markup(response.body):
        raise UnusableReplyError(
            f"{operation}: the server answered with a web page, not with SCEP: "
            "a captive portal, or an IIS error page"
        )
    return response.body


def _status_error(response: HttpResponse, operation: str) -> HttpStatusError:
    status = response.status
    hint, cause, is_retryable = "", FailureCause.TRANSPORT, False
    if status in _REDIRECTS:
        hint, cause = _redirect_hint(response), FailureCause.CONFIGURATION
    elif status in _CONFIGURATION_HINTS:
        hint, cause = _CONFIGURATION_HINTS[HTTPStatus(status)], FailureCause.CONFIGURATION
    elif status in _ACCESS_HINTS:
        hint = _ACCESS_HINTS[HTTPStatus(status)]
    elif status in _SERVER_FAULTS or status in _PASSING:
        hint, is_retryable = "the server is at fault, or busy", True
    said = "" if looks_like_markup(response.body) else clean_text(_decode(response.body))
    text = f"{operation}: HTTP {status}{_phrase(status)}"
    text += f": {hint}" if hint else ""
    text += f' (it says: "{said}")' if said else ""
    return HttpStatusError(status, text, is_retryable=is_retryable, cause=cause)


def _redirect_hint(response: HttpResponse) -> str:
    try:
        host = urlsplit(response.headers.get("location", "")).netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    target = f"to {clean_text(host, max_chars=80)} " if host else ""
    return f"the server redirects {target}and redirects are not followed; configure the new URL"


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _decode(body: bytes) -> str:
    if body[:1] == b"\x30":
        return ""  # DER: nothing for a person
    return body[:4096].decode("utf-8", errors="replace")
