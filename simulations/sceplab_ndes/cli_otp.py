"""`sceplab ndes otp`: challenge passwords from a state folder or from an admin page."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Iterator
from datetime import datetime

from sceplab_hsm.secret import Secret, resolve_secret
from sceplab_ndes.admin_client import fetch_password
from sceplab_ndes.errors import ConfigError
from sceplab_ndes.folder import StateFolder
from sceplab_ndes.service import open_challenge_desk


def passwords_from_folder(folder: StateFolder, *, count: int, now: datetime) -> Iterator[Secret]:
    """Passwords made in the depot, as the page of the folder's server would.

    Raises:
        ConfigError: this server asks for none.
        PasswordCacheFullError: too many unused ones are in circulation.
        StateError: no server was set up there.
    """
    with open_challenge_desk(folder, secrets.token_bytes) as desk:
        for _ in range(count):
            password = desk.issue(getpass.getuser(), now)
            if password is None:
                raise ConfigError("this server wants no challenge password", source="challenge")
            yield password


def passwords_from_page(
    folder: StateFolder,
    url: str,
    *,
    user: str,
    reference: str,
    count: int,
    allow_plain: bool,
) -> Iterator[Secret]:
    """Passwords fetched from a page.

    Args:
        folder: has the password of the user ``admin`` when ``reference`` is empty.
        url: of the page.
        user: who logs on.
        reference: to that user's password.
        count: how many.
        allow_plain: plain HTTP to other machines, too.

    Raises:
        ConfigError: URL or password are missing or wrong.
        AdminPageError: no answer, or a page without a password.
    """
    if not reference:
        path = folder.path / "admin-password"
        if not path.exists():
            raise ConfigError("give --password env:NAME, file:PATH or prompt:", source="otp")
        reference = f"file:{path}"
    password = resolve_secret(reference, prompt=f"Password of {user}: ")
    for _ in range(count):
        yield fetch_password(url, user, password, allow_plain=allow_plain)
