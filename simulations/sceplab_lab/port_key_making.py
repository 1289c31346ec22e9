"""A key pair of a device in the making, by the worker."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import count

from sceplab_hsm.api import KeyAlgorithm, KeyInfo, KeyStore
from sceplab_hsm.errors import KeyStoreError
from sceplab_hsm.moving import mover_of
from sceplab_lab.port_settings import key_id_of

logger = logging.getLogger(__name__)


class KeyMaking:
    """A key pair that is being made, in the worker.

    Args:
        store: makes it.
        label: it is for.
        algorithm: wanted.
        exportable: whether it may leave the store, where that lets keys out at all.
        known: keys of the store, for when it does not list them now.
    """

    def __init__(
        self,
        store: KeyStore,
        label: str,
        algorithm: KeyAlgorithm,
        *,
        exportable: bool,
        known: Sequence[KeyInfo],
    ) -> None:
        self.label = label
        self.key_id = ""
        """Its name in the store, once it is chosen."""
        self.listed = known
        """The keys of the store, with the new one once it is there."""
        self._store = store
        self._algorithm = algorithm
        self._exportable = exportable

    def run(self) -> None:
        """Makes it.

        Raises:
            KeyStoreError: the store refuses.
        """
        self._list()
        self.key_id = free_id(self.label, self.listed)
        if self._exportable and self._store.capabilities().moves_keys:
            mover_of(self._store).generate_exportable(self.key_id, self._algorithm)
        else:
            self._store.generate(self.key_id, self._algorithm)
        self._list()

    def _list(self) -> None:
        try:
            self.listed = self._store.list_keys()
        except KeyStoreError as error:
            logger.warning("the key store does not answer: %s", error)


def free_id(label: str, listed: Sequence[KeyInfo]) -> str:
    """A name that no key has and no renewal gives."""
    base = key_id_of(label)
    taken = {info.key_id for info in listed}
    if base not in taken:
        return base
    return next(name for number in count(2) if (name := f"{base}@{number}") not in taken)
