"""The key stores of a process: each opened once, whoever uses it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.api import KeyStore
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret, resolve_secret


class KeyStores:
    """Opens key stores by their URI and closes them all together.

    Args:
        now: stamps new keys; aware UTC.
    """

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._open: dict[str, KeyStore] = {}

    def open(self, config: TrustpointConfig, *, create: bool) -> KeyStore:
        """The key store of a trustpoint.

        Args:
            config: names the store and the reference to its secret.
            create: make the store when there is none.

        Raises:
            KeyStoreError: it does not open.
        """
        store = self._open.get(config.store_uri)
        if store is None:
            store = open_key_store(
                config.store_uri, _secrets(config.store_secret), create=create, now=self._now
            )
            self._open[config.store_uri] = store
        return store

    def close(self) -> None:
        """Closes every store."""
        while self._open:
            self._open.popitem()[1].close()


def _secrets(reference: str) -> Callable[[str], Secret]:
    def provide(prompt: str) -> Secret:
        return resolve_secret(reference or "prompt:", prompt=prompt)

    return provide
