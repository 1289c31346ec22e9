"""Finds the store behind a URI: built-in ones, then plug-ins of the group ``sceplab.keystores``.

The scheme alone decides; the store reads the rest of the URI. A store's module is imported when
its scheme is first asked for, so that a broken or missing one troubles nobody else.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, cast

from sceplab_hsm.api import Clock, KeyStore, SecretProvider, StoreFactory
from sceplab_hsm.errors import KeyStoreError, StoreUnavailableError, StoreUriError
from sceplab_hsm.guard import GuardedKeyStore
from sceplab_hsm.uri import scheme_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP = "sceplab.keystores"

_BUILT_IN = {
    "pkcs11": "sceplab_hsm.pkcs11.factory:open_store",
    "soft": "sceplab_hsm.software:open_store",
    "tpm": "sceplab_hsm.tpm.hardware:open_store",
    "tpm-stub": "sceplab_hsm.tpm.stub_store:open_store",
    "fault+": "sceplab_hsm.fault:open_store",
}
_METHODS = ("capabilities", "generate", "get", "list_keys", "delete", "close")


def open_key_store(
    uri: str, secrets: SecretProvider, *, create: bool = False, now: Clock | None = None
) -> KeyStore:
    """Opens the key store a URI names. Close it when done.

    Args:
        uri: for example ``soft:/var/lib/sceplab/keys``; it names a store, not a key.
        secrets: asked for the passphrase or PIN, at most once.
        create: make the store when there is none.
        now: stamps new keys; ``None`` leaves ``created_at`` empty.

    Raises:
        StoreUriError: malformed, or no store has this scheme.
        StoreUnavailableError: no such store, or its plug-in is broken (named).
        StoreLockedError: the passphrase or PIN is wrong.
    """
    scheme = scheme_of(uri)
    factory, origin = _load_factory(scheme)
    try:
        store = factory(uri, secrets, create=create, now=now)
    except KeyStoreError:
        raise
    except Exception as error:
        # Only the kind: the text of a failure inside a store may quote the secret it was given.
        raise StoreUnavailableError(
            f"{origin} failed to open {uri}: {type(error).__name__}"
        ) from error
    missing = [name for name in _METHODS if not callable(getattr(store, name, None))]
    if missing:
        raise StoreUnavailableError(f"{origin} gave no key store: it lacks {', '.join(missing)}")
    return store if _is_built_in(scheme) else GuardedKeyStore(store, origin)


def identity_of(store: KeyStore) -> str:
    """What two open stores have in common when they are one place, however it is written.

    It comes from the optional property ``identity`` of a store; the URI stands in for it.
    """
    identity = getattr(store, "identity", "")
    return identity if isinstance(identity, str) and identity else store.uri


def known_schemes() -> list[str]:
    """Schemes that `open_key_store` accepts, sorted; nothing is imported to find out."""
    return sorted({*_BUILT_IN, *(point.name.lower() for point in _entry_points())})


def _name_of(scheme: str) -> str:
    # A wrapper is named before a plus sign; what stands behind it is the wrapper's matter.
    return f"{scheme.partition('+')[0]}+" if "+" in scheme else scheme


def _is_built_in(scheme: str) -> bool:
    return _name_of(scheme) in _BUILT_IN


def _load_factory(scheme: str) -> tuple[StoreFactory, str]:
    name = _name_of(scheme)
    if name in _BUILT_IN:
        origin, target = f"key store '{name}'", _BUILT_IN[name]
    else:
        point = _find_entry_point(scheme)
        distribution = point.dist.name if point.dist is not None else "unknown"
        origin = f"key store plug-in '{scheme}' (of {distribution})"
        target = point.value
    module, _, attribute = target.partition(":")
    try:
        factory = getattr(import_module(module), attribute)
    except Exception as error:
        raise StoreUnavailableError(
            f"{origin} does not load: {type(error).__name__}: {error}"
        ) from error
    return cast("StoreFactory", factory), origin


def _find_entry_point(scheme: str) -> EntryPoint:
    found = {point.value: point for point in _entry_points() if point.name.lower() == scheme}
    if len(found) > 1:
        raise StoreUnavailableError(
            f"several plug-ins offer key stores '{scheme}:' ({', '.join(sorted(found))}); "
            "uninstall all but one"
        )
    if not found:
        known = known_schemes()
        close = difflib.get_close_matches(scheme, known, n=1)
        hint = f"; did you mean '{close[0]}:'?" if close else ""
        raise StoreUriError(
            f"no key store has the scheme '{scheme}:' (known: {', '.join(known)}){hint}"
        )
    return next(iter(found.values()))


def _entry_points() -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return list(entry_points(group=ENTRY_POINT_GROUP))
