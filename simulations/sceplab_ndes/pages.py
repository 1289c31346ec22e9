"""The pages NDES shows in a browser, in the encoding it sends them: UTF-16LE that claims UTF-8.

Spec: NDES 2.1 to 2.6, P1 to P5.
"""

from __future__ import annotations

import hashlib
import html
import tomllib
from functools import cache
from importlib import resources

from sceplab_hsm.secret import Secret
from sceplab_ndes.settings import AdminPageSettings, ChallengeSettings


@cache
def _texts() -> dict[str, str]:
    source = resources.files("sceplab_ndes").joinpath("data/pages.toml").read_text("utf-8")
    tables = tomllib.loads(source)
    texts = {**tables["frame"], **tables["body"]}
    return {name: text.replace("\n", "") for name, text in texts.items()}


def thumbprint(certificate_der: bytes) -> str:
    """MD5 of a certificate as the page shows it: four groups of eight upper-case hex digits.

    Spec: NDES 2.2 P4.
    """
    digits = hashlib.md5(certificate_der, usedforsecurity=False).hexdigest().upper()
    return " ".join(digits[at : at + 8] for at in range(0, len(digits), 8))


def encode_page(text: str, *, bom: bool = False) -> bytes:
    """Bytes of a page. Spec: NDES 2.2 P1, P2."""
    return ("\ufeff" if bom else "").encode("utf-16-le") + text.encode("utf-16-le")


def general_page(host: str) -> str:
    """What the device URL shows without an operation. Spec: NDES 2.1.

    Args:
        host: name and port the client used.
    """
    return _page(_texts()["general"].format(host=html.escape(host)))


def password_page(
    password: Secret | None, challenge: ChallengeSettings, *, ca_thumbprint: str
) -> str:
    """The admin page with a password, or with the word that none is needed."""
    texts = _texts()
    body = texts["lead"].format(thumbprint=ca_thumbprint)
    if password is None:
        return _page(body + texts["none"])
    body += texts["password"].format(password=html.escape(password.reveal()))
    if challenge.mode == "static":
        return _page(body + texts["static"])
    return _page(body + texts["one_time"].format(minutes=challenge.validity_minutes))


def cache_full_page(challenge: ChallengeSettings) -> str:
    """The admin page when no password can be made. Spec: NDES 2.1 (2.4)."""
    return _page(_texts()["cache_full"].format(cache_size=challenge.cache_size))


def no_permission_page() -> str:
    """The admin page for a user who may not enroll. Spec: NDES 2.1 (2.5)."""
    return _page(_texts()["no_permission"])


def page_encoding(settings: AdminPageSettings, text: str) -> bytes:
    """Bytes of a page as the settings want them."""
    return encode_page(text, bom=settings.bom)


def _page(body: str) -> str:
    texts = _texts()
    return texts["head"] + body + texts["foot"]
