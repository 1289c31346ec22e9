"""Fetches a password from an admin page over HTTP, of this server or of a real NDES with Basic.

Spec: NDES 2.2 (P1 to P6), 17 (Get-NDESOTP).
"""

from __future__ import annotations

import base64
import codecs
import http.client
import ipaddress
import re
from urllib.parse import urlsplit

from sceplab_hsm.secret import Secret
from sceplab_ndes.errors import ConfigError, NdesError

_TIMEOUT_S = 30
_MAX_PAGE_BYTES = 65_536
_PASSWORD = re.compile(r"The enrollment challenge password is: <B> (\S+)", re.IGNORECASE)
_CACHE_FULL = "The password cache is full."
_NO_PERMISSION = "You do not have sufficient permission to enroll with SCEP."


class AdminPageError(NdesError):
    """The page gave no password. Exit code 5.

    Args:
        message: what it said, or what went wrong.
    """


def fetch_password(url: str, user: str, password: Secret, *, allow_plain: bool = False) -> Secret:
    """One password from the page. A page that has none is an error although its status is 200.

    Args:
        url: of the admin page.
        user: who logs on.
        password: that user's.
        allow_plain: send the password over plain HTTP to other machines too.

    Raises:
        ConfigError: no such URL, or plain HTTP to another machine.
        AdminPageError: no answer, or a page without a password.
    """
    text = decode_page(_get(url, user, password, allow_plain=allow_plain))
    found = _PASSWORD.search(text)
    if found is not None:
        return Secret(found.group(1))
    if _CACHE_FULL in text:
        raise AdminPageError(
            "the password cache is full: use a password, wait for one to expire, or raise "
            "challenge.cache_size"
        )
    if _NO_PERMISSION in text:
        raise AdminPageError(f"user {user} may not enroll: give the user may_enroll = true")
    raise AdminPageError("the page shows no password; is it the admin URL of a one-time server?")


def decode_page(body: bytes) -> str:
    """Text of a page, whatever its Meta tag claims about the encoding."""
    if body.startswith(codecs.BOM_UTF16_LE) or body[1:2] == b"\x00":
        return (
            body.decode("utf-16", "replace")
            if body[:1] == b"\xff"
            else body.decode("utf-16-le", "replace")
        )
    return body.decode("utf-8", "replace")


def _get(url: str, user: str, password: Secret, *, allow_plain: bool) -> bytes:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"'{url}' is no http or https URL", source="--url")
    if parts.scheme == "http" and not allow_plain and not _is_loopback(parts.hostname):
        raise ConfigError(
            "plain HTTP would show the password to the network; use https, or --no-ssl if you "
            "mean it",
            source="--url",
        )
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT_S)
    credentials = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET", target, headers={"Authorization": f"Basic {credentials}"})
        response = connection.getresponse()
        body = response.read(_MAX_PAGE_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise AdminPageError(f"no answer from {url}: {error}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        hint = "; wrong user or password" if response.status == http.client.UNAUTHORIZED else ""
        raise AdminPageError(f"{url} answered with HTTP status {response.status}{hint}")
    return body


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
