"""Paths in a configuration file start from the file's own directory, not from the working one."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.uri import scheme_of

_DIRECTORY_SCHEMES = {"soft", "tpm-stub"}
"""Schemes whose URI is a path, which may be relative."""


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
    """A key store's URI, a relative path in it made absolute.

    Raises:
        ValueError: no URI.
    """
    try:
        scheme = scheme_of(text)
    except StoreUriError as error:
        raise ValueError("is no key store URI; write for example soft:keys") from error
    rest = text[len(scheme) + 1 :]
    if scheme not in _DIRECTORY_SCHEMES or not rest or rest.startswith(("/", "~", "?", "#")):
        return text
    return f"{scheme}:{quote(str(base), safe='/ ')}/{rest}"
