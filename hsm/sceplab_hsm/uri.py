"""Key store URIs: their scheme, the key they may name, and the directory form.

``soft:PATH`` is a store, ``soft:PATH#KEY_ID`` one key in it, ``soft:PATH?kdf=lab`` a store with an
option. A store whose URIs have another form reads its own; only the scheme and the split into
store and key are common. ``pkcs11:`` URIs, and those of stores that wrap such a one
(``fault+pkcs11:``), name the key by RFC 7512's ``object=`` instead of a fragment.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.pkcs11.uri import join_object, split_object

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_KEY_ID = re.compile(r"[A-Za-z0-9._@#+-]{1,128}")


def scheme_of(uri: str) -> str:
    """Scheme of a store or key URI, in lower case.

    Raises:
        StoreUriError: there is none.

    Spec: RFC 3986 §3.1.
    """
    match = _SCHEME.match(uri)
    if match is None:
        raise StoreUriError(f"'{uri}' is not a key store URI; write for example soft:/var/lib/keys")
    return match[1].lower()


def check_key_id(key_id: str) -> str:
    """Gives the name back when a key may bear it.

    Raises:
        StoreUriError: it is empty, too long or holds other characters than the API allows.
    """
    if _KEY_ID.fullmatch(key_id) is None:
        raise StoreUriError(
            f"key name {key_id[:140]!r} is not 1 to 128 characters of A-Z a-z 0-9 . _ @ # + -"
        )
    return key_id


def join_key_uri(store_uri: str, key_id: str) -> str:
    """URI of one key: the store's, then ``#`` and the name (its ``#`` percent-encoded).

    For PKCS#11 the name is the attribute ``object`` of the URI's path.
    """
    if _has_object_attribute(store_uri):
        return join_object(store_uri, check_key_id(key_id))
    return f"{store_uri}#{quote(check_key_id(key_id), safe='@+')}"


def split_key_uri(uri: str) -> tuple[str, str | None]:
    """Splits a URI into that of the store and the key's name, ``None`` when it names no key.

    Raises:
        StoreUriError: no scheme, or not a key's name behind the ``#`` or in ``object=``.
    """
    if _has_object_attribute(uri):
        rest, key_id = split_object(uri)
        return rest, None if key_id is None else check_key_id(key_id)
    store_uri, separator, fragment = uri.partition("#")
    return store_uri, check_key_id(unquote(fragment)) if separator else None


def _has_object_attribute(uri: str) -> bool:
    return scheme_of(uri).rpartition("+")[2] == "pkcs11"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryUri:
    """``SCHEME:PATH[?NAME=VALUE[&NAME=VALUE...]]``: a store that lives in one directory."""

    scheme: str
    path: Path
    """As written; relative to the working directory, ``~`` is the home directory."""
    options: dict[str, str]

    @classmethod
    def parse(cls, uri: str, *, options: Collection[str] = ()) -> DirectoryUri:
        """Reads a store URI; ``%23``, ``%3F`` and ``%25`` stand for ``#``, ``?`` and ``%``.

        Args:
            uri: the whole URI; it names a store, not a key.
            options: names that may stand behind the ``?``.

        Raises:
            StoreUriError: with the part that is wrong and how to write it.
        """
        scheme = scheme_of(uri)
        if "#" in uri:
            raise StoreUriError(f"'{uri}' names a key; open its store, then get the key by name")
        written, _, query = uri[len(scheme) + 1 :].partition("?")
        if written.startswith("//"):
            raise StoreUriError(f"'{uri}' has a host part; write {scheme}:/PATH with one slash")
        text = unquote(written)
        if not text or not text.isprintable():
            raise StoreUriError(f"{uri!r} names no directory; write {scheme}:PATH")
        found: dict[str, str] = {}
        for item in filter(None, query.split("&")):
            name, _, value = item.partition("=")
            if name not in options or name in found:
                close = difflib.get_close_matches(name, options, n=1)
                hint = f"; did you mean '{close[0]}'?" if close and name not in options else ""
                raise StoreUriError(f"'{uri}': option '{name}' is unknown or doubled{hint}")
            found[name] = unquote(value)
        return cls(scheme=scheme, path=_expand(text, uri), options=found)


def _expand(text: str, uri: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise StoreUriError(f"'{uri}': there is no such home directory") from error
