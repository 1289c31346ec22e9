"""Errors of key stores. Each class has its own cause and names the next step."""

from __future__ import annotations


class KeyStoreError(Exception):
    """Root of everything this package raises on purpose. Exit code 6."""


class StoreUriError(KeyStoreError):
    """A store or key URI is malformed or its scheme is unknown."""


class StoreUnavailableError(KeyStoreError):
    """A library, module or device is missing, or the place cannot be read or written."""


class ModuleMissingError(StoreUnavailableError):
    """A program library that the store needs is not installed; the text names the package."""


class TokenMissingError(StoreUnavailableError):
    """The token or chip that the URI names is not there; one that fails is another error."""


class AmbiguousTokenError(StoreUnavailableError):
    """Several tokens fit the URI; nothing is chosen by chance."""


class ForkedStoreError(StoreUnavailableError):
    """The store was opened before a fork; the child process has to open it anew."""


class StoreBusyError(StoreUnavailableError):
    """The token or chip is busy at this moment; the same call may go through later."""


class StoreLockedError(KeyStoreError):
    """Passphrase or PIN is wrong, or the store has locked itself."""


class LockoutError(StoreLockedError):
    """The store has locked itself after wrong tries and refuses the right secret too."""


class SecretUnavailableError(KeyStoreError):
    """A reference to a secret leads nowhere."""


class KeyNotFoundError(KeyStoreError):
    """No key of that name.

    Args:
        key_id: the name looked for.
        store_uri: where.
    """

    def __init__(self, key_id: str, store_uri: str) -> None:
        super().__init__(f"no key '{key_id}' in {store_uri}")
        self.key_id = key_id
        self.store_uri = store_uri


class KeyExistsError(KeyStoreError):
    """The name is taken; nothing was replaced."""

    def __init__(self, key_id: str, store_uri: str) -> None:
        super().__init__(f"key '{key_id}' exists already in {store_uri}; delete it first")
        self.key_id = key_id
        self.store_uri = store_uri


class StoreFullError(KeyStoreError):
    """No room for another key or another loaded object; nothing was made."""


class AmbiguousKeyError(KeyStoreError):
    """Several keys bear one name; nothing is chosen by chance.

    Args:
        key_id: the name.
        store_uri: where.
    """

    def __init__(self, key_id: str, store_uri: str) -> None:
        super().__init__(
            f"several keys in {store_uri} bear the name '{key_id}'; rename or delete all but one"
        )
        self.key_id = key_id
        self.store_uri = store_uri


class KeyDamagedError(KeyStoreError):
    """A stored key does not open: its seal is broken or the file is not of our format."""


class KeyMoveError(KeyStoreError):
    """A key is not given out, or what was brought is none: not exportable, wrong passphrase."""


class MechanismUnsupportedError(KeyStoreError):
    """The store or the key cannot do this operation."""
