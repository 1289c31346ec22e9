"""Paths in a configuration file start from the file's own directory, not from the working one."""

from __future__ import annotations

import os.path
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote

from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.fault_spec import FaultUri
from sceplab_hsm.pkcs11.uri import Pkcs11Uri
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
    return Path(os.path.realpath(os.path.expanduser(unquote(written))))


def place_of(uri: str) -> object:
    """What two URIs of one store have in common, as far as that can be told without opening it."""
    if not uri:
        return ""
    directory = store_directory(uri)
    if directory is not None:
        try:
            status = directory.stat()
        except OSError:
            return directory
        return status.st_dev, status.st_ino
    token = _token_of(uri)
    if token is None:
        return uri
    module = _real(token.module_path) or token.module_name
    return (*_attributes(token), token.slot_id, token.cka_id, module)


def may_be_one_store(one: str, other: str) -> bool:
    """Whether two URIs may be of one store: also where a token's URI leaves out what would tell.

    The module does not count: one token shows behind several.
    """
    first, second = _token_of(one), _token_of(other)
    if first is None or second is None:
        return place_of(one) == place_of(other)
    if (first.module_path, first.module_name) != (second.module_path, second.module_name):
        first, second = replace(first, slot_id=None), replace(second, slot_id=None)
    told = (*_attributes(first), first.slot_id), (*_attributes(second), second.slot_id)
    return all(a is None or b is None or a == b for a, b in zip(*told, strict=True))


def is_token(uri: str) -> bool:
    """Whether the store is a token, as far as the URI tells."""
    return _token_of(uri) is not None


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


@lru_cache(maxsize=1024)
def _token_of(uri: str) -> Pkcs11Uri | None:
    """What the URI of a token says, one behind a wrapper too; ``None``: it is none, or wrong."""
    try:
        if not scheme_of(uri).startswith(_WRAPPER):
            return Pkcs11Uri.parse(uri) if scheme_of(uri) == "pkcs11" else None
        return _token_of(FaultUri.parse(uri).inner)
    except StoreUriError:
        return None


def _attributes(token: Pkcs11Uri) -> tuple[str | None, ...]:
    """What tells a token from others, and where SoftHSM keeps its tokens."""
    softhsm = _real(token.softhsm2_conf)
    return (token.token, token.serial, token.manufacturer, token.model, softhsm)


def _real(path: str | None) -> str | None:
    return None if path is None else os.path.realpath(os.path.expanduser(path))


def _is_directory_form(scheme: str) -> bool:
    while scheme.startswith(_WRAPPER):
        scheme = scheme.removeprefix(_WRAPPER)
    return scheme in _DIRECTORY_SCHEMES
