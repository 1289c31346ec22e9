"""The key stores of a process: each opened once, whoever uses it, and again where that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from sceplab_agent.key_claims import KeyClaimedError
from sceplab_agent.serial_store import SerialKeyStore
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.api import KeyStore
from sceplab_hsm.errors import (
    AmbiguousKeyError,
    AmbiguousTokenError,
    KeyDamagedError,
    KeyStoreError,
    LockoutError,
    MechanismUnsupportedError,
    ModuleMissingError,
    StoreLockedError,
    StoreUriError,
)
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret, resolve_secret

_PROMPT = "prompt:"
_LASTING = (
    AmbiguousKeyError,
    AmbiguousTokenError,
    KeyClaimedError,
    KeyDamagedError,
    MechanismUnsupportedError,
    ModuleMissingError,
    StoreUriError,
)


def may_pass(error: KeyStoreError) -> bool:
    """Whether the same call may go well later without anybody correcting the configuration.

    A token comes back and a lockout ends. A wrong PIN stays wrong, and every try counts.
    """
    if isinstance(error, StoreLockedError):
        return isinstance(error, LockoutError)
    return not isinstance(error, _LASTING)


class KeyStores:
    """Opens key stores by their URI and closes them all together. Usable by several threads.

    A secret that a store refused is not offered to it a second time: tokens and chips lock
    themselves after a few wrong ones. Another secret behind the same reference is.

    Args:
        now: stamps new keys; aware UTC.
    """

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._open: dict[str, KeyStore] = {}
        self._refused: dict[str, _Refusal] = {}
        self._lock = threading.Lock()

    def open(self, config: TrustpointConfig, *, create: bool) -> KeyStore:
        """The key store of a trustpoint.

        Args:
            config: names the store and the reference to its secret.
            create: make the store when there is none.

        Raises:
            KeyStoreError: it does not open; a later call tries again.
        """
        with self._lock:
            store = self._open.get(config.store_uri)
            if store is None:
                store = self._open[config.store_uri] = self._open_anew(config, create=create)
            return store

    def close(self) -> None:
        """Closes every store."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _open_anew(self, config: TrustpointConfig, *, create: bool) -> KeyStore:
        uri, reference = config.store_uri, config.store_secret or _PROMPT
        refusal = self._refused.get(uri)
        offered: list[Secret] = []

        def provide(prompt: str) -> Secret:
            if refusal is not None and reference.startswith(_PROMPT):
                raise refusal.repeated()  # who typed it starts the command again
            secret = resolve_secret(reference, prompt=prompt)
            if refusal is not None and refusal.is_for(secret):
                raise refusal.repeated()
            offered.append(secret)
            return secret

        if refusal is not None and refusal.secret is None:
            raise refusal.repeated()
        try:
            store = open_key_store(uri, provide, create=create, now=self._now)
        except StoreLockedError as error:
            if isinstance(error, LockoutError) or (refusal is not None and not offered):
                raise
            origin = "typed in" if reference.startswith(_PROMPT) else f"from {reference}"
            text = f"{error} (the secret was {origin})" if offered else str(error)
            self._refused[uri] = _Refusal(text, offered[0] if offered else None)
            raise StoreLockedError(text) from error
        self._refused.pop(uri, None)
        return store if store.capabilities().thread_safe else SerialKeyStore(store)


class _Refusal:
    """A secret that a store refused, and its words.

    Args:
        text: why the store does not open.
        secret: ``None``: one that the store found by itself; it is not tried again at all.
    """

    def __init__(self, text: str, secret: Secret | None) -> None:
        self.text = text
        self.secret = secret

    def is_for(self, secret: Secret) -> bool:
        """Whether the secret is the one that was refused."""
        return self.secret is not None and self.secret.reveal() == secret.reveal()

    def repeated(self) -> StoreLockedError:
        """The refusal, said again without asking the store."""
        return StoreLockedError(self.text)
