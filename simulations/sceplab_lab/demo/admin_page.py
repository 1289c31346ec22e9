"""Reads the password off NDES' admin page, as an administrator (or a script of theirs) does.

Spec: NDES 2.2 (P1, P3): UTF-16LE whatever the page claims, password between bold tags.
"""

from __future__ import annotations

import base64
import html
import re

from sceplab_agent.transport import HttpTransport
from sceplab_hsm.secret import Secret
from sceplab_lab.errors import DemoError

_PASSWORD = re.compile(r"The enrollment challenge password is: <B> (\S*)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_OK = 200


def fetch_page(transport: HttpTransport, url: str, *, user: str, password: Secret) -> str:
    """The admin page as markup.

    Raises:
        DemoError: the server does not answer with the page.
        TransportError: it does not answer at all.
    """
    credentials = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
    response = transport.request("GET", url, headers={"Authorization": f"Basic {credentials}"})
    if response.status != _OK:
        raise DemoError(f"the admin page answers HTTP {response.status}")
    return response.body.decode("utf-16-le").removeprefix("\ufeff")


def find_password(page: str) -> str:
    """The one-time password on the page.

    Raises:
        DemoError: there is none (cache full, no permission); the page's own words are in the text.
    """
    match = _PASSWORD.search(page)
    if match is None:
        raise DemoError("no password on the admin page: " + " ".join(readable_lines(page)))
    return match.group(1)


def readable_lines(page: str) -> list[str]:
    """What a browser shows of the page, roughly: one line for each stretch of text."""
    marked = re.sub(r"</?(p|br|tr|table|title|h\d|ul|li|div)\b[^>]*>", "\n", page, flags=re.I)
    texts = (html.unescape(_TAG.sub("", line)) for line in marked.split("\n"))
    return [" ".join(text.split()) for text in texts if text.strip()]
