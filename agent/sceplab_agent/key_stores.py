"""The key stores of a process: each opened once, whoever uses it, and again where that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import wait
from datetime import datetime

from sceplab_agent.key_claims import KeyClaimedError
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.api import KeyStore
from sceplab_hsm.daemon_threads import start_daemon
from sceplab_hsm.errors import (
    AmbiguousKeyError,
    AmbiguousTokenError,
    KeyDamagedError,
    KeyNotFoundError,
    KeyStoreError,
    LockoutError,
    MechanismUnsupportedError,
    ModuleMissingError,
    SecretUnavailableError,
    StoreLockedError,
    StoreUnavailableError,
    StoreUriError,
)
from sceplab_hsm.registry import identity_of, open_key_store
from sceplab_hsm.secret import Secret, resolve_secret
from sceplab_hsm.serial import for_threads

CLOSING_S = 2.0
"""How long `KeyStores.close` waits for stores in which a call is under way."""
_PROMPT = "prompt:"
_LASTING = (
    AmbiguousKeyError,
    AmbiguousTokenError,
    KeyClaimedError,
    KeyDamagedError,
    KeyNotFoundError,
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

    One that is slow to open keeps nobody waiting but those who want the same.

    A secret that a store refused is not offered to it a second time: tokens and chips lock
    themselves after a few wrong ones. Another secret behind the same reference is.

    Args:
        now: stamps new keys; aware UTC.
    """

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._places: dict[str, _Place] = {}
        self._refused: dict[str, _Refusal] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def open(self, config: TrustpointConfig, *, create: bool) -> KeyStore:
        """The key store of a trustpoint.

        Args:
            config: names the store and the reference to its secret.
            create: make the store when there is none.

        Raises:
            KeyStoreError: it does not open; a later call tries again.
        """
        with self._lock:
            if self._is_closed:
                raise StoreUnavailableError("the key stores of this agent are closed")
            place = self._places.setdefault(config.store_uri, _Place())
        return place.open(lambda: self._open_anew(config, create=create))

    def are_one(self, one: str, other: str) -> bool:
        """Whether two URIs turned out to be of one store; both have to be open for that."""
        places = self._places.get(one), self._places.get(other)
        first, second = (place.identity if place is not None else "" for place in places)
        return bool(first) and first == second

    def close(self) -> None:
        """Closes every store, for good. One in which a call hangs is left after `CLOSING_S`."""
        with self._lock:
            self._is_closed = True
            places = list(self._places.values())
            self._places.clear()
        # A store that is still being opened is closed when it has; that may be never.
        opening = [place for place in places if not place.is_open]
        closing = [start_daemon(place.close) for place in places if place not in opening]
        for place in opening:
            start_daemon(place.close)
        for closed in wait(closing, timeout=CLOSING_S).done:
            closed.result()

    def _open_anew(self, config: TrustpointConfig, *, create: bool) -> KeyStore:
        uri, reference = config.store_uri, config.store_secret or _PROMPT
        refusal = self._refused.get(uri)
        offered: list[Secret] = []

        def provide(prompt: str) -> Secret:
            if refusal is not None and reference.startswith(_PROMPT):
                raise refusal.repeated()  # who typed it starts the command again
            if offered and reference.startswith(_PROMPT):
                raise SecretUnavailableError("it is typed in once; start again to type another")
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
        return for_threads(store)


class _Place:
    """Where one store is, open or not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store: KeyStore | None = None
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        """Whether the store is open already."""
        return self._store is not None

    @property
    def identity(self) -> str:
        """What tells the store from others; empty: it is not open."""
        store = self._store
        return "" if store is None else identity_of(store)

    def open(self, make: Callable[[], KeyStore]) -> KeyStore:
        """The store, opened by the first who asks; the others wait for it."""
        with self._lock:
            if self._is_closed:
                raise StoreUnavailableError("the key stores of this agent are closed")
            if self._store is None:
                self._store = make()
            return self._store

    def close(self) -> None:
        """Closes the store; waits for one that is being opened."""
        with self._lock:
            self._is_closed = True
            if self._store is not None:
                self._store.close()


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
