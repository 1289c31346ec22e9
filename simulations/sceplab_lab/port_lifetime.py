"""The life of a trustpoint from its configuration to its removal, and what ends with it.

Work that is under way when a trustpoint is removed cannot be called back: it may wait for a server
for a minute. What the work reaches through the wrappers here refuses it from then on, so that it
ends without a certificate, a key or a request of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sceplab_agent.core.commands import InstallCertificate
from sceplab_agent.install import CertificateInstaller
from sceplab_agent.transport import HttpResponse, HttpTransport
from sceplab_hsm.api import KeyAlgorithm, KeyHandle, KeyInfo, KeyStore, StoreCapabilities
from sceplab_hsm.errors import KeyNotFoundError, KeyStoreError
from sceplab_lab.errors import AbandonedError

logger = logging.getLogger(__name__)


class Lifetime:
    """Whether a trustpoint is still there. Usable by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether the trustpoint was removed."""
        return self._is_over

    def end(self) -> None:
        """From now on nothing is done any more; waits for the short act under way."""
        with self._lock:
            self._is_over = True

    def check(self) -> None:
        """Goes on only in a living trustpoint.

        Raises:
            AbandonedError: it was removed.
        """
        if self._is_over:
            raise AbandonedError

    @contextmanager
    def act(self) -> Iterator[None]:
        """Around something short that lasts: done as a whole before the end, or not at all.

        Raises:
            AbandonedError: the trustpoint was removed.
        """
        with self._lock:
            self.check()
            yield


def discard_key(store: KeyStore, key_id: str) -> None:
    """Destroys a key that nothing uses any more; one that stays is named in the log."""
    try:
        store.delete(key_id)
    except KeyNotFoundError:
        return
    except KeyStoreError as error:
        logger.warning("key %s, which nothing uses any more, stays in its store: %s", key_id, error)


class LifetimeStore:
    """A key store as one trustpoint sees it.

    Args:
        store: the device's.
        lifetime: the trustpoint's.
        making: held while any trustpoint of the device makes a key, so that nobody finds a key
            that goes with its trustpoint.
        made: told the name of every key that was made and stays; in the thread that made it.
    """

    def __init__(
        self,
        store: KeyStore,
        lifetime: Lifetime,
        making: threading.Lock,
        *,
        made: Callable[[str], None],
    ) -> None:
        self._made = made
        self._store = store
        self._lifetime = lifetime
        self._making = making

    @property
    def uri(self) -> str:
        """See `KeyStore.uri`."""
        return self._store.uri

    def capabilities(self) -> StoreCapabilities:
        """See `KeyStore.capabilities`."""
        return self._store.capabilities()

    def generate(self, key_id: str, algorithm: KeyAlgorithm) -> KeyHandle:
        """See `KeyStore.generate`. It may take long, so a removal does not wait for it.

        Raises:
            AbandonedError: the trustpoint was removed; the key is gone again.
        """
        with self._making:
            self._lifetime.check()
            handle = self._store.generate(key_id, algorithm)
            if self._lifetime.is_over:
                discard_key(self._store, key_id)
                raise AbandonedError
            self._made(key_id)
            return handle

    def get(self, key_id: str) -> KeyHandle:
        """See `KeyStore.get`."""
        with self._making:
            return self._store.get(key_id)

    def list_keys(self) -> list[KeyInfo]:
        """See `KeyStore.list_keys`."""
        return self._store.list_keys()

    def delete(self, key_id: str) -> None:
        """See `KeyStore.delete`."""
        with self._lifetime.act():
            self._store.delete(key_id)

    def close(self) -> None:
        """Nothing: the store is the device's."""


class LifetimeInstaller:
    """Installs for one trustpoint while it is there."""

    def __init__(self, installer: CertificateInstaller, lifetime: Lifetime) -> None:
        self._installer = installer
        self._lifetime = lifetime

    def install(self, trustpoint: str, command: InstallCertificate) -> None:
        """See `CertificateInstaller.install`."""
        with self._lifetime.act():
            self._installer.install(trustpoint, command)


class LifetimeTransport:
    """Sends for one trustpoint while it is there; an answer that comes later is dropped."""

    def __init__(self, transport: HttpTransport, lifetime: Lifetime) -> None:
        self._transport = transport
        self._lifetime = lifetime

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`."""
        self._lifetime.check()
        try:
            return self._transport.request(
                method, url, body=body, content_type=content_type, headers=headers
            )
        finally:
            self._lifetime.check()
