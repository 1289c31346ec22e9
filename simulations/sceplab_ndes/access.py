"""Who may see the admin page: Basic authentication, and the right to enroll.

Spec: RFC 7617; NDES 2.2 (P8), 7 (O4).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from sceplab_hsm.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminUser:
    """Somebody who may log on to the admin page."""

    name: str
    password: Secret
    may_enroll: bool = True
    """Whether the templates let this user enroll; without it the page says so."""


class AccessList:
    """Checks user names and passwords.

    Args:
        users: who is known.
    """

    def __init__(self, users: Iterable[AdminUser]) -> None:
        self._users = {user.name.lower(): user for user in users}

    def authenticate(self, authorization: str) -> AdminUser | None:
        r"""The user an ``Authorization`` header proves, or ``None``.

        ``DOMAIN\user`` and ``user@domain`` stand for ``user`` when only that is known.
        """
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return None
        name, separator, password = text.partition(":")
        user = self._find(name) if separator else None
        known = user.password.reveal() if user is not None else ""
        is_right = hmac.compare_digest(_digest(password), _digest(known))
        return user if is_right and user is not None else None

    def _find(self, name: str) -> AdminUser | None:
        folded = name.lower()
        short = folded.rpartition("\\")[2].partition("@")[0]
        return self._users.get(folded) or self._users.get(short)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
