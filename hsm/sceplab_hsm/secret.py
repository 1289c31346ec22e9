"""Secrets and references to them. A secret shows itself to nobody by accident."""

from __future__ import annotations

import getpass
import os
import stat
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

from sceplab_hsm.errors import SecretUnavailableError

_ASKING = threading.Lock()
"""A person is asked one thing at a time, whichever threads want to know."""


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
        SecretUnavailableError: the reference is of another form, nothing is there, or the file is
            open to everybody.
    """
    scheme, _, rest = reference.partition(":")
    if scheme == "env" and rest:
        value = os.environ.get(rest)
        if value is None:
            raise SecretUnavailableError(f"environment variable {rest} is not set")
        return Secret(value)
    if scheme == "file" and rest:
        return _read_secret_file(rest)
    if scheme == "prompt":
        try:
            with _ASKING, warnings.catch_warnings():
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


def secret_file_warning(reference: str) -> str:
    """What a careful person would change about the file behind a reference; empty: nothing.

    A group that may read the file can be meant so (a service's group, a systemd credential), so
    `resolve_secret` takes it; everybody else never is.

    Args:
        reference: as `resolve_secret` takes it; of other kinds than ``file:`` nothing is said.
    """
    scheme, _, path = reference.partition(":")
    if scheme != "file" or not path:
        return ""
    try:
        status = Path(path).expanduser().stat()
    except (OSError, RuntimeError):
        return ""
    if not stat.S_ISREG(status.st_mode) or not status.st_mode & 0o060:
        return ""
    return (
        f"the secret file {path} is open to its group (mode {stat.S_IMODE(status.st_mode):o}); "
        f"unless that is meant, run: chmod 600 {path}"
    )


def _read_secret_file(path: str) -> Secret:
    try:
        with Path(path).expanduser().open("rb") as file:
            status = os.fstat(file.fileno())
            # A pipe or a terminal has no readers but this one.
            if stat.S_ISREG(status.st_mode) and status.st_mode & 0o006:
                raise SecretUnavailableError(
                    f"the secret file {path} is open to everybody "
                    f"(mode {stat.S_IMODE(status.st_mode):o}); run: chmod 600 {path}"
                )
            text = file.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise SecretUnavailableError(
            f"cannot read the secret file {path}: it is not UTF-8 text"
        ) from error
    except OSError as error:
        raise SecretUnavailableError(
            f"cannot read the secret file {path}: {error.strerror}"
        ) from error
    except RuntimeError as error:
        raise SecretUnavailableError(
            f"cannot read the secret file {path}: there is no such home directory"
        ) from error
    return Secret(text.removesuffix("\n").removesuffix("\r"))
