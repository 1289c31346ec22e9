"""Passwords of emulated devices: given by reference, never in clear."""

from __future__ import annotations

from collections.abc import Iterable

from sceplab_devices.errors import DeviceError
from sceplab_hsm.errors import SecretUnavailableError
from sceplab_hsm.secret import resolve_secret

SCHEMES = ("env:", "file:", "prompt:")
"""How a reference begins."""


class SecretBook:
    """Follows each reference once, so that a person is asked once for a whole rack."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def reveal(self, reference: str, *, owner: str) -> str:
        """The password in clear.

        Args:
            reference: ``env:NAME``, ``file:PATH`` or ``prompt:``.
            owner: what it belongs to, for prompts and errors.

        Raises:
            DeviceError: there is none, or it is empty.
        """
        if reference not in self._known:
            try:
                secret = resolve_secret(reference, prompt=f"{owner}: ")
            except SecretUnavailableError as error:
                raise DeviceError(f"{owner}: {error}") from error
            if not secret:
                raise DeviceError(f"{owner}: it is empty")
            self._known[reference] = secret.reveal()
        return self._known[reference]


def read_users(pairs: Iterable[str], book: SecretBook) -> dict[str, str]:
    """Login names and passwords from a command line.

    Args:
        pairs: ``NAME=REFERENCE`` each.
        book: follows the references.

    Raises:
        DeviceError: another form, or a secret that is not there. No text quotes what might be a
            password.
    """
    users: dict[str, str] = {}
    for pair in pairs:
        name, mark, reference = pair.partition("=")
        if not mark or not name or not reference.startswith(SCHEMES):
            raise DeviceError(
                "--user: expected NAME=REFERENCE, with env:NAME, file:PATH or prompt: as the "
                "reference"
            )
        users[name] = book.reveal(reference, owner=f"password of {name}")
    return users
