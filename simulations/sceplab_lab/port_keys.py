"""Key pairs of a device by their labels: what the console calls a key, and what its store does.

A renewal with a new key makes the next generation under a name of its own; once its certificate is
active, the device's label means that one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sceplab_agent.core.machine import EnrollmentMachine
from sceplab_devices.api import KeyView
from sceplab_devices.errors import DeviceError
from sceplab_hsm.api import KeyAlgorithm, KeyInfo, KeyStore
from sceplab_hsm.errors import KeyNotFoundError, KeyStoreError
from sceplab_lab.port_settings import key_id_of

NEXT_MARK = "#"
"""Behind the label of a key whose certificate is not active yet (device-cli-flows 1.8)."""


class PortKeys:
    """Labels of one device's keys.

    Args:
        store: holds them.
        clock: stands in where the store does not know when a key was made.
    """

    def __init__(self, store: KeyStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._ids: dict[str, str] = {}
        self._exportable: set[str] = set()

    def id_of(self, label: str) -> str:
        """Name of the labelled key in the store, there or not."""
        return self._ids.get(label) or key_id_of(label)

    def generate(self, label: str, algorithm: str, *, exportable: bool) -> KeyView:
        """Makes a key pair in place of one of the same label.

        ``exportable`` is what the console shows and export commands go by; the store protects all
        keys alike.

        Raises:
            DeviceError: the key store refuses.
        """
        key_id = key_id_of(label)
        try:
            wanted = KeyAlgorithm(algorithm)  # before anything is deleted
        except ValueError as error:
            raise DeviceError(f"{algorithm} is not available") from error
        try:
            self.delete(label)
            self._store.generate(key_id, wanted)
        except KeyStoreError as error:
            raise DeviceError(f"key {label}: {error}") from error
        self._ids[label] = key_id
        if exportable:
            self._exportable.add(key_id)
        return next(view for view in self.views() if view.label == label)

    def delete(self, label: str) -> bool:
        """Destroys a key pair; false when there is none."""
        try:
            self._store.delete(self.id_of(label))
        except KeyNotFoundError:
            return False
        self._exportable.discard(self.id_of(label))
        self._ids.pop(label, None)
        return True

    def views(self) -> list[KeyView]:
        """All key pairs, oldest first."""
        labels = {key_id: label for label, key_id in self._ids.items()}
        views = [
            self._view(info, labels.get(info.key_id, info.key_id))
            for info in self._store.list_keys()
        ]
        return sorted(views, key=lambda view: (view.generated_at, view.label))

    def follow(self, label: str, machine: EnrollmentMachine) -> None:
        """Learns from a trustpoint's machine which key its label means now."""
        active, new_key = machine.active, machine.new_key
        if active is not None:
            self._ids[label] = active.key_id
            self._ids.pop(label + NEXT_MARK, None)
        if new_key is not None and (active is None or new_key.key_id != active.key_id):
            self._ids[label if active is None else label + NEXT_MARK] = new_key.key_id

    def _view(self, info: KeyInfo, label: str) -> KeyView:
        made_at = datetime.fromisoformat(info.created_at) if info.created_at else self._clock()
        return KeyView(
            label=label,
            algorithm=info.algorithm.value,
            public_key_der=info.public_key_der,
            generated_at=made_at,
            exportable=info.key_id in self._exportable,
            storage="software",
        )
