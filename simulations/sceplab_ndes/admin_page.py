"""The admin URL: who asks, and which page that person gets. Each page is a 200.

Spec: NDES 2.1, 2.2 (P4 to P7), 7 (O1 to O6); feature rows A13, A24, A25, B7, B8.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sceplab_hsm.secret import Secret
from sceplab_ndes.access import AccessList, AdminUser
from sceplab_ndes.challenge import ChallengeDesk
from sceplab_ndes.errors import PasswordCacheFullError
from sceplab_ndes.hierarchy import Hierarchy
from sceplab_ndes.pages import (
    cache_full_page,
    encode_page,
    no_permission_page,
    password_page,
    thumbprint,
)
from sceplab_ndes.settings import AdminPageSettings
from sceplab_scep.x509fields import certificate_der

_ANONYMOUS = AdminUser(name="anonymous", password=Secret(""))


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """One page."""

    kind: str
    """Kind of event it is."""
    body: bytes


class AdminPage:
    """Hands out challenge passwords to people.

    Args:
        challenge: makes the passwords.
        access: who may log on.
        settings: authentication, encoding, thumbprint.
        hierarchy: the CA whose thumbprint is shown.
    """

    def __init__(
        self,
        challenge: ChallengeDesk,
        access: AccessList,
        settings: AdminPageSettings,
        hierarchy: Hierarchy,
    ) -> None:
        self._challenge = challenge
        self._access = access
        self._settings = settings
        shown = hierarchy.root if settings.thumbprint_of == "root" else hierarchy.issuing
        self._thumbprint = thumbprint(certificate_der(shown.certificate))

    def log_on(self, authorization: str) -> AdminUser | None:
        """The user behind an ``Authorization`` header; ``None`` when nobody is proven."""
        if self._settings.authentication == "none":
            return _ANONYMOUS
        return self._access.authenticate(authorization)

    def page(self, user: AdminUser, now: datetime) -> PageAnswer:
        """The page for a user who is logged on. Each call in one-time mode takes a cache slot."""
        rules = self._challenge.settings
        if self._settings.permission_check and not user.may_enroll:
            return self._answer("page.no_permission", no_permission_page())
        try:
            password = self._challenge.issue(user.name, now)
        except PasswordCacheFullError:
            return self._answer("page.cache_full", cache_full_page(rules))
        text = password_page(password, rules, ca_thumbprint=self._thumbprint)
        return self._answer("page.password", text)

    def _answer(self, kind: str, text: str) -> PageAnswer:
        return PageAnswer(kind, encode_page(text, bom=self._settings.bom))
