"""The enrollment URL: what is accepted, and how an operation is appended to it.

Spec: RFC 8894 §4.1; checklist C-28, T-44.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

DEFAULT_PATH = "/cgi-bin/pkiclient.exe"


class UrlError(ValueError):
    """A text is no URL this agent can enroll at. The text itself is not repeated."""


def split_url(url: str) -> SplitResult:
    """Parts of an http or https URL.

    Raises:
        UrlError: another scheme, no host, a password inside, a bad port, or characters that have
            to be escaped.
    """
    if not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
        raise UrlError("the URL has characters that must be percent-escaped")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlError("the URL is malformed: look at its port and brackets") from error
    if parts.scheme not in {"http", "https"}:
        raise UrlError("the URL must start with http:// or https://")
    if not parts.hostname:
        raise UrlError("the URL names no host")
    if parts.username is not None or parts.password is not None:
        raise UrlError("the URL carries a user name or password, which SCEP has no use for")
    if port == 0:
        raise UrlError("port 0 is no port")
    return parts


def operation_url(url: str, query: str) -> str:
    """The configured URL with an operation's query appended, nothing else changed.

    A URL without a path gets the RFC's default path; a fragment is dropped.

    Args:
        url: accepted by `split_url`.
        query: ``operation=...``, already escaped.
    """
    parts = split_url(url)
    path = parts.path or DEFAULT_PATH
    joined = f"{parts.query}&{query}" if parts.query else query
    return f"{parts.scheme}://{parts.netloc}{path}?{joined}"
