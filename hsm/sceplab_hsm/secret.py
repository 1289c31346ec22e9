"""Secrets and references to them. A secret shows itself to nobody by accident."""

from __future__ import annotations

import getpass
import os
import warnings
from collections.abc import Callable
from pathlib import Path

from sceplab_hsm.errors import SecretUnavailableError


class Secret:
    """A text that is never printed, compared by accident or pickled.

    Call ``reveal()`` at the one place that needs the text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return "Secret(***)"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


def resolve_secret(reference: str, *, prompt: str = "Secret: ") -> Secret:
    """Follows a reference to a secret.

    Args:
        reference: ``env:NAME``, ``file:PATH`` (one trailing newline is dropped) or ``prompt:``.
        prompt: what a person is shown for ``prompt:``.

    Raises:
        SecretUnavailableError: the reference is of another form, or nothing is there.
    """
    scheme, _, rest = reference.partition(":")
    if scheme == "env" and rest:
        value = os.environ.get(rest)
        if value is None:
            raise SecretUnavailableError(f"environment variable {rest} is not set")
        return Secret(value)
    if scheme == "file" and rest:
        try:
            text = Path(rest).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise SecretUnavailableError(f"cannot read the secret file {rest}: {reason}") from error
        return Secret(text.removesuffix("\n").removesuffix("\r"))
    if scheme == "prompt":
        try:
            with warnings.catch_warnings():
                # Without a terminal getpass would show what is typed.
                warnings.simplefilter("error", getpass.GetPassWarning)
                return Secret(getpass.getpass(rest or prompt))
        except (EOFError, OSError, getpass.GetPassWarning) as error:
            raise SecretUnavailableError("no terminal to ask for the secret on") from error
    raise SecretUnavailableError(
        "a secret is given by reference: env:NAME, file:PATH or prompt: (not as plain text)"
    )


def secrets_from(reference: str) -> Callable[[str], Secret]:
    """A secret provider for `open_key_store` that follows one reference when it is asked.

    Args:
        reference: as `resolve_secret` takes it.
    """
    return lambda prompt: resolve_secret(reference, prompt=prompt)
