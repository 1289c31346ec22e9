"""Which of its two key stores a trustpoint works with: the first, or the fallback it names.

The fallback is taken when the first store is not there at all (its library, token or chip is
missing) and the journal names no key that would be in it. From then on the trustpoint stays where
its key is, also when the first store appears later. A wrong PIN, a lockout, a full or a busy store
are failures: they never lead to the fallback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sceplab_agent.config_paths import is_unmade, place_of
from sceplab_agent.config_view import mask_uri
from sceplab_agent.journal import StoredSnapshot
from sceplab_agent.key_stores import KeyStores
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.api import KeyStore
from sceplab_hsm.errors import KeyStoreError, ModuleMissingError, TokenMissingError
from sceplab_hsm.uri import scheme_of

FALLBACK_EVENT = "key-store.fallback"
"""Journal entry of every opening of a fallback store; a warning."""
ABSENCES = (ModuleMissingError, TokenMissingError)
"""What counts as not being there."""
_MARK = "fallback_store"
"""Beside the machine's snapshot: URI of the fallback store, as long as it is worked with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreChoice:
    """An open key store and how it came to be chosen."""

    config: TrustpointConfig
    """The trustpoint, with the store chosen as its store."""
    store: KeyStore
    instead_of: str = ""
    """URI of the first store, without secrets, when this is the fallback."""
    reason: str = ""
    """Why it is the fallback."""

    @property
    def marks(self) -> Mapping[str, object]:
        """What snapshots have to keep, so that the next process finds the key."""
        return {_MARK: self.config.store_uri} if self.instead_of else {}

    @property
    def details(self) -> dict[str, str]:
        """For the journal entry."""
        return {
            "store": mask_uri(self.config.store_uri),
            "instead_of": self.instead_of,
            "reason": self.reason,
        }


def holds_key(stored: StoredSnapshot | None) -> bool:
    """Whether a trustpoint has a key in its store: then that store must not be made anew."""
    return stored is not None and bool(stored.body.get("active") or stored.body.get("new_key"))


def key_home(config: TrustpointConfig, stored: StoredSnapshot | None) -> TrustpointConfig:
    """The trustpoint with the store that its keys are in by the journal.

    Without keys that is the first one. A fallback that the configuration no longer names comes
    back without its secret.
    """
    recorded = stored.body.get(_MARK) if stored is not None else None
    if not isinstance(recorded, str) or not _names_key(stored):
        return config
    if place_of(recorded) == place_of(config.store_uri):
        return config
    if config.fallback_uri:
        return config.on_fallback()
    return replace(config, store_uri=recorded, store_secret="")


def require_known_home(config: TrustpointConfig, stored: StoredSnapshot | None) -> TrustpointConfig:
    """As `key_home`.

    Raises:
        KeyStoreError: the keys are in a store that the configuration no longer names.
    """
    home = key_home(config, stored)
    if home is not config and not config.fallback_uri:
        raise KeyStoreError(
            f"the key of trustpoint {config.name} is in {mask_uri(home.store_uri)}, where it fell "
            "back to, and the configuration names that store no more: name it as the fallback "
            "again, or as the store"
        )
    return home


def choose_store(
    config: TrustpointConfig, stored: StoredSnapshot | None, stores: KeyStores
) -> StoreChoice:
    """Opens the store to work with.

    Args:
        config: names the stores.
        stored: what the journal knows of the trustpoint.
        stores: opens them.

    Raises:
        KeyStoreError: the store to work with does not open.
    """
    first = mask_uri(config.store_uri)
    # A store that vanished is not made anew under certificates that need it.
    is_new = not holds_key(stored)
    home = require_known_home(config, stored)
    if home is not config:
        store = stores.open(home, create=is_new)
        return StoreChoice(config=home, store=store, instead_of=first, reason="the key is there")
    try:
        return StoreChoice(config=config, store=stores.open(config, create=is_new))
    except ABSENCES as error:
        if not config.fallback_uri:
            raise
        fallback = config.on_fallback()
        if _names_key(stored):
            raise type(error)(
                f"{error}; the trustpoint has its key there, so the fallback "
                f"{mask_uri(fallback.store_uri)} is not used"
            ) from error
        reason = str(error)
    try:
        store = stores.open(fallback, create=True)
    except KeyStoreError as error:
        raise KeyStoreError(f"{reason}; and the fallback does not open: {error}") from error
    return StoreChoice(config=fallback, store=store, instead_of=first, reason=reason)


def foresee_store(
    config: TrustpointConfig, stored: StoredSnapshot | None, stores: KeyStores
) -> tuple[TrustpointConfig, str]:
    """Which store `choose_store` would take now; nothing is made.

    Returns:
        The trustpoint with that store, and why it is the fallback; empty: it is not.

    Raises:
        KeyStoreError: the first store is there and does not open, or keys are in an unknown one.
    """
    home = require_known_home(config, stored)
    if home is not config:
        return home, "the key is there"
    if config.fallback_uri and not _names_key(stored):
        try:
            _look_at(config, stores)
        except ABSENCES as error:
            return config.on_fallback(), str(error)
    return config, ""


def _look_at(config: TrustpointConfig, stores: KeyStores) -> None:
    """Finds out whether the first store can be had.

    Raises:
        KeyStoreError: it cannot.
    """
    if not is_unmade(config.store_uri):
        stores.open(config, create=False)
    elif scheme_of(config.store_uri) == "tpm":
        from sceplab_hsm.tpm.hardware import connect_chip

        connect_chip(config.store_uri).close()


def _names_key(stored: StoredSnapshot | None) -> bool:
    """Whether the journal names any key, one that is still to be deleted included."""
    return holds_key(stored) or (stored is not None and bool(stored.body.get("retired_keys")))
