"""PKCS#11 URIs: which module, which token, which key. Text only: no module is loaded here.

``pkcs11:token=LABEL?module-path=/usr/lib/softhsm/libsofthsm2.so`` is a store; a key's URI has
``object=KEY_ID`` besides. Three query attributes are ours to read: ``module-path`` or
``module-name``, ``pin-source`` (a reference to the PIN, never the PIN) and ``x-softhsm2-conf``.

Spec: RFC 7512 §2.3, §2.4.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from sceplab_hsm.errors import StoreUriError

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PATH_NAMES = ("token", "serial", "manufacturer", "model", "slot-id", "type", "id")
_QUERY_NAMES = ("module-path", "module-name", "pin-source", "x-softhsm2-conf")
_OBJECT = "object"
_NO_PIN_VALUE = (
    "pin-value would put the PIN into the URI, where everybody reads it; "
    "write pin-source=file:PATH or pin-source=env:NAME"
)


def split_object(uri: str) -> tuple[str, str | None]:
    """Takes ``object=`` out of a URI; everything else stays as it is written.

    Any scheme will do, so that a store that wraps another (``fault+pkcs11:``) is split alike.

    Returns:
        The store's URI, and the decoded name of the key or ``None``.

    Raises:
        StoreUriError: two names, a wrong percent-encoding, or a ``#``.
    """
    scheme, _, rest = uri.partition(":")
    if "#" in rest:
        raise StoreUriError(
            "a key of a PKCS#11 store is named by ';object=KEY_ID', not behind a '#' "
            "(and a '#' in a value is written %23)"
        )
    path, mark, query = rest.partition("?")
    parts = path.split(";") if path else []
    named = [part for part in parts if part.partition("=")[0] == _OBJECT]
    if not named:
        return uri, None
    if len(named) > 1:
        raise StoreUriError("the PKCS#11 URI names two keys; write one 'object='")
    parts.remove(named[0])
    return f"{scheme}:{';'.join(parts)}{mark}{query}", _text(named[0].partition("=")[2], _OBJECT)


def join_object(store_uri: str, key_id: str) -> str:
    """Puts ``object=`` into a store's URI, at the end of its path."""
    scheme, _, rest = store_uri.partition(":")
    path, mark, query = rest.partition("?")
    separator = ";" if path else ""
    return f"{scheme}:{path}{separator}{_OBJECT}={quote(key_id, safe='@+')}{mark}{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Uri:
    """What a store's URI says. An attribute that is not written is ``None`` and fits everything."""

    uri: str
    """As written."""
    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_id: int | None = None
    cka_id: bytes | None = None
    """Restricts the store to objects of this ``CKA_ID``: for two keys of one name."""
    module_path: str | None = None
    module_name: str | None = None
    pin_source: str | None = None
    """Reference to a secret, ``file:PATH`` or ``env:NAME``."""
    softhsm2_conf: str | None = None

    @classmethod
    def parse(cls, uri: str) -> Pkcs11Uri:
        """Reads a store's URI.

        Raises:
            StoreUriError: with the part that is wrong. The URI is not quoted as a whole: somebody
                may have written a PIN into it.
        """
        store_uri, key_id = split_object(uri)
        if key_id is not None:
            raise StoreUriError("the PKCS#11 URI names a key; open its store, then get the key")
        path, _, query = store_uri.partition(":")[2].partition("?")
        in_path = _read(path, ";", _PATH_NAMES)
        in_query = _read(query, "&", _QUERY_NAMES)
        if in_path.get("type", "private") != "private":
            raise StoreUriError("type= of a key store is 'private', or is left out")
        pin_source = in_query.get("pin-source")
        if pin_source is not None and not pin_source.startswith(("file:", "env:")):
            raise StoreUriError("pin-source is a reference to the PIN: file:PATH or env:NAME")
        if "module-path" not in in_query and "module-name" not in in_query:
            raise StoreUriError(
                "the PKCS#11 URI names no module; add ?module-path=/usr/lib/softhsm/libsofthsm2.so "
                "or ?module-name=softhsm2"
            )
        return cls(
            uri=uri,
            token=in_path.get("token"),
            serial=in_path.get("serial"),
            manufacturer=in_path.get("manufacturer"),
            model=in_path.get("model"),
            slot_id=_slot_id(in_path.get("slot-id")),
            cka_id=_raw_id(path),
            module_path=in_query.get("module-path"),
            module_name=in_query.get("module-name"),
            pin_source=pin_source,
            softhsm2_conf=in_query.get("x-softhsm2-conf"),
        )


def encode_value(text: str, *, in_query: bool = False) -> str:
    """Percent-encodes the value of an attribute.

    Args:
        text: the value.
        in_query: whether it stands behind the ``?``, where a slash may stay.
    """
    return quote(text, safe="/:@+,=" if in_query else "@+:")


def _read(written: str, separator: str, known: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in written.split(separator) if written else ():
        name, equals, value = item.partition("=")
        if name == "pin-value":
            raise StoreUriError(_NO_PIN_VALUE)
        if name not in known:
            raise StoreUriError(f"PKCS#11 URI: attribute '{name[:40]}' is unknown{_hint(name)}")
        if name in found or not equals:
            raise StoreUriError(f"PKCS#11 URI: attribute '{name}' is doubled or has no value")
        # An identifier is bytes and need not be text; it is read apart.
        found[name] = "" if name == "id" else _text(value, name)
    return found


def _hint(name: str) -> str:
    close = difflib.get_close_matches(name, (*_PATH_NAMES, _OBJECT, *_QUERY_NAMES), n=1)
    if not close:
        return ""
    if close[0] == name:
        place = "behind the '?'" if name in _QUERY_NAMES else "before the '?'"
        return f" there; it stands {place}"
    return f"; did you mean '{close[0]}'?"


def _raw_id(path: str) -> bytes | None:
    for item in path.split(";"):
        name, _, value = item.partition("=")
        if name == "id":
            return _decode(value, name)
    return None


def _text(value: str, name: str) -> str:
    try:
        text = _decode(value, name).decode("utf-8")
    except UnicodeError as error:
        raise StoreUriError(f"PKCS#11 URI: the value of '{name}' is not UTF-8") from error
    if "\0" in text:
        raise StoreUriError(f"PKCS#11 URI: the value of '{name}' holds a null character")
    return text


def _decode(value: str, name: str) -> bytes:
    if _BAD_PERCENT.search(value):
        raise StoreUriError(f"PKCS#11 URI: a '%' in '{name}' is not followed by two hex digits")
    try:
        return unquote_to_bytes(value)
    except UnicodeError as error:
        raise StoreUriError(f"PKCS#11 URI: the value of '{name}' is not text") from error


def _slot_id(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,20}", text):
        raise StoreUriError(f"PKCS#11 URI: slot-id {text[:40]!r} is not a number")
    return int(text)
