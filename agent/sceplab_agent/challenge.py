"""The challenge password: looked up at the moment it goes into a request, and kept out of texts."""

from __future__ import annotations

import re
from collections.abc import Callable

from sceplab_hsm.errors import KeyStoreError
from sceplab_hsm.secret import Secret, resolve_secret

_INTERACTIVE = "prompt:"


class ChallengeSource:
    """Where a trustpoint's challenge password comes from.

    Args:
        resolve: gives the password; may ask a person, may raise `SecretUnavailableError`.
        is_interactive: whether ``resolve`` asks a person, which is never done only to redact.
    """

    __slots__ = ("_is_interactive", "_last", "_resolve")

    def __init__(self, resolve: Callable[[], Secret], *, is_interactive: bool = False) -> None:
        self._resolve = resolve
        self._is_interactive = is_interactive
        self._last: Secret | None = None

    @classmethod
    def from_reference(cls, reference: str, *, prompt: str) -> ChallengeSource:
        """Source for a configured reference; an empty one gives an empty password."""
        if not reference:
            return cls.fixed(Secret(""))
        return cls(
            lambda: resolve_secret(reference, prompt=prompt),
            is_interactive=reference.startswith(_INTERACTIVE),
        )

    @classmethod
    def fixed(cls, secret: Secret) -> ChallengeSource:
        """Source for a password that is at hand."""
        return cls(lambda: secret)

    def take(self) -> Secret:
        """The password, looked up now.

        Raises:
            SecretUnavailableError: the reference leads nowhere.
        """
        self._last = self._resolve()
        return self._last

    def forget(self) -> None:
        """Lets go of what was looked up last: no request needs it any more."""
        self._last = None

    def redact(self, text: str) -> str:
        """The text with the password blacked out: a server may repeat what it was sent."""
        secret = self._last
        if secret is None and not self._is_interactive:
            try:
                secret = self._resolve()
            except KeyStoreError:
                return text  # gone since; then it is not in force either
        if not secret:
            return text
        return re.sub(re.escape(secret.reveal()), "***", text, flags=re.IGNORECASE)
