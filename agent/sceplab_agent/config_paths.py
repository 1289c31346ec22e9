"""Paths in a configuration file start from the file's own directory, not from the working one."""

from __future__ import annotations

import os.path
from pathlib import Path
from urllib.parse import quote, unquote

from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.uri import scheme_of

_DIRECTORY_SCHEMES = {"soft", "tpm", "tpm-stub"}
"""Schemes whose URI is a path, which may be relative."""
_WRAPPER = "fault+"
"""In front of the scheme of the store that is wrapped; the rest of the URI is the store's own."""


def resolve_path(text: str, base: Path) -> Path:
    """An absolute path.

    Raises:
        ValueError: the text is empty.
    """
    if not text:
        raise ValueError("is empty")
    try:
        return base / Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("names a home directory that does not exist") from error


def resolve_reference(text: str, base: Path) -> str:
    """A secret's reference, a relative path in it made absolute. The text is never repeated.

    Raises:
        ValueError: no reference: most likely the secret itself.
    """
    scheme, separator, rest = text.partition(":")
    is_known = scheme == "prompt" or (scheme in {"env", "file"} and bool(rest))
    if not (separator and is_known):
        raise ValueError(
            "is no reference, and a secret never stands in this file itself: "
            "write env:NAME, file:PATH or prompt:"
        )
    return f"file:{resolve_path(rest, base)}" if scheme == "file" else text


def resolve_store_uri(text: str, base: Path) -> str:
    """A key store's URI, a relative directory in it made absolute. The text is never repeated.

    Raises:
        ValueError: no URI, or one with a PIN in it.
    """
    try:
        scheme = scheme_of(text)
    except StoreUriError as error:
        raise ValueError(
            "is no key store URI; write for example soft:keys or pkcs11:token=LABEL?module-path=..."
        ) from error
    if "pin-value=" in text:
        raise ValueError(
            "holds a PIN, and a secret never stands in this file itself: leave pin-value out and "
            "set secret = env:NAME, file:PATH or prompt:"
        )
    rest = text[len(scheme) + 1 :]
    if not _is_directory_form(scheme) or not rest or rest.startswith(("/", "~", "?", "#")):
        return text
    return f"{scheme}:{quote(str(base), safe='/ ')}/{rest}"


def store_directory(uri: str) -> Path | None:
    """The directory a store's files are in; ``None``: it has none, or only the store knows."""
    scheme = scheme_of(uri)
    written = uri[len(scheme) + 1 :].partition("#")[0].partition("?")[0]
    if not _is_directory_form(scheme) or not written:
        return None
    return Path(os.path.normpath(os.path.expanduser(unquote(written))))


def place_of(uri: str) -> object:
    """What two URIs of one store have in common."""
    return store_directory(uri) or uri


def is_unmade(uri: str) -> bool:
    """Whether a store's directory is missing or empty, so that the store is still to be made."""
    directory = store_directory(uri)
    if directory is None:
        return False
    try:
        return next(directory.iterdir(), None) is None
    except FileNotFoundError:
        return True
    except OSError:
        return False  # the store itself says what is wrong


def _is_directory_form(scheme: str) -> bool:
    while scheme.startswith(_WRAPPER):
        scheme = scheme.removeprefix(_WRAPPER)
    return scheme in _DIRECTORY_SCHEMES
