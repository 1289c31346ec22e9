"""Key pairs of a device by their labels: what the console calls a key, and what its store does.

A new key gets a name of its own in the store and takes over the label once it is there; only then
the one before it is destroyed. So a store that refuses, is full or fails costs no key. A renewal
with a new key likewise makes the next generation, and the label means it once its certificate is
active.

A store may be shared, with another device or with anybody else. Only keys that this device made are
destroyed: those that its book notes. All others are listed, and left alone.

Keys are made, listed and, when nothing needs them any more, destroyed by the worker, for a chip may
be at work for seconds. In the owner's thread are only the first listing, which a device needs
before it does anything, and a deletion that an operator has ordered and whose outcome is awaited.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Set
from dataclasses import replace
from datetime import datetime

from sceplab_devices.api import KeyView
from sceplab_devices.errors import DeviceError
from sceplab_hsm.api import KeyAlgorithm, KeyInfo, KeyStore
from sceplab_hsm.errors import KeyNotFoundError, KeyStoreError
from sceplab_lab.key_pem import PrivateKey
from sceplab_lab.port_key_making import KeyMaking, free_id
from sceplab_lab.port_key_moves import give_out, take_in
from sceplab_lab.port_keybook import KeyBook, KeyNote
from sceplab_lab.port_lifetime import discard_key
from sceplab_lab.port_settings import key_id_of
from sceplab_lab.worker import Worker

logger = logging.getLogger(__name__)

NEXT_MARK = "#"
"""Behind the label of a key whose certificate is not active yet (device-cli-flows 1.8)."""

Done = Callable[[str], None]
"""Told in the owner's thread why there is no new key; empty: there is one."""
UseKey = Callable[[str, str], None]
"""Told in the owner's thread the name of a key in its store, or why there is none."""


class PortKeys:
    """Labels of one device's keys.

    Args:
        store: holds them.
        clock: stands in where the store does not know when a key was made.
        worker: makes and lists keys.
        book: labels of earlier runs.
        changed: called when a new listing is there.
    """

    def __init__(
        self,
        store: KeyStore,
        clock: Callable[[], datetime],
        *,
        worker: Worker,
        book: KeyBook,
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._worker = worker
        self._book = book
        self._changed = changed
        self._capabilities = store.capabilities()
        self._listed: list[KeyInfo] | None = None
        """As far as is known; ``None``: never listed."""
        self._seen_at: dict[str, datetime] = {}
        """By name in the store: for keys nobody noted."""
        self._made: set[str] = set()
        """Names of keys that the agent made for this device, noted or about to be."""
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_busy = False
        self._is_looking = False
        self._discarding = 0
        self._is_unanswered = False
        self._is_stale = False
        """What is being listed may be out of date already."""

    @property
    def is_busy(self) -> bool:
        """Whether the worker makes, lists or destroys keys."""
        return self._is_busy or self._is_looking or self._discarding > 0

    def algorithms(self) -> frozenset[str]:
        """What the store can make."""
        return frozenset(algorithm.value for algorithm in self._capabilities.algorithms)

    def id_of(self, label: str) -> str:
        """Name of the labelled key in the store, there or not."""
        return self._book.find(label) or key_id_of(label)

    def generate(self, label: str, algorithm: str, *, exportable: bool, done: Done) -> None:
        """Makes a key pair in place of one of the same label.

        A store that lets no key out makes one that is not exportable, and `views` says so.
        """
        if algorithm not in self.algorithms():
            done(f"{algorithm} is not available")
            return
        wanted = KeyAlgorithm(algorithm)
        self._waiting.append(lambda: self._start(label, wanted, exportable=exportable, done=done))
        if not self._is_busy:
            self._run_next()

    def delete(self, label: str) -> bool:
        """Destroys a key pair of this device, and waits for it; false when there is none.

        Raises:
            DeviceError: the store refuses.
        """
        key_id = self._book.find(label)
        if not key_id:
            return False
        try:
            self._store.delete(key_id)
        except KeyNotFoundError:
            self._drop(key_id)
            return False
        except KeyStoreError as error:
            raise DeviceError(str(error)) from error
        self._drop(key_id)
        self._book.drop(key_id)
        return True

    def with_key(self, label: str, algorithm: str, use: UseKey) -> None:
        """Has a key pair used in its turn, behind every key that was ordered before.

        Args:
            label: of the key; one that is not there is made.
            algorithm: for one that has to be made.
            use: told its name in the store, or why there is none.
        """
        self._waiting.append(lambda: self._use(label, algorithm, use))
        if not self._is_busy:
            self._run_next()

    def _use(self, label: str, algorithm: str, use: UseKey) -> None:
        key_id = self.id_of(label)
        if any(info.key_id == key_id for info in self._list()):
            self._is_busy = False
            use(key_id, "")
        elif algorithm not in self.algorithms():
            self._is_busy = False
            use("", f"{algorithm} is not available")
        else:
            self._start(
                label,
                KeyAlgorithm(algorithm),
                exportable=False,
                done=lambda refusal: use("" if refusal else self.id_of(label), refusal),
            )
            return
        if self._waiting and not self._is_busy:
            self._run_next()

    def label_of(self, key_id: str) -> str:
        """What the console calls a key of the store."""
        note = self._book.get(key_id)
        return key_id if note is None else note.label

    def public_key_of(self, key_id: str) -> bytes:
        """SubjectPublicKeyInfo of a key, DER; empty: there is none of that name."""
        found = (info.public_key_der for info in self._list() if info.key_id == key_id)
        return next(found, b"")

    def import_key(self, label: str, private_key: PrivateKey, *, exportable: bool) -> str:
        """Takes a key in, and waits for it; its name in the store.

        Raises:
            DeviceError: the label is taken, or the store refuses.
        """
        if any(view.label == label for view in self.views()):
            raise DeviceError(f"there is a key pair {label} already")
        key_id = free_id(label, self._list())
        take_in(self._store, key_id, private_key, exportable=exportable)
        try:
            self._book.put(key_id, KeyNote(label=label, seen_at=self._clock().isoformat()))
        except DeviceError:
            discard_key(self._store, key_id)
            raise
        self._is_stale, self._listed = True, None
        return key_id

    def export_key(self, label: str) -> PrivateKey:
        """Gives a key out, and waits for it.

        Raises:
            DeviceError: there is none of that label, or it stays in its store.
        """
        key_id = self.id_of(label)
        if not self.public_key_of(key_id):
            raise DeviceError(f"there is no key pair {label}")
        return give_out(self._store, key_id, label)

    def claim(self, key_id: str) -> None:
        """The agent made this key for the device. Safe from any thread; `note_made` follows."""
        self._made.add(key_id)

    def note_made(self, key_id: str, label: str) -> None:
        """Notes a key that the agent made and that is still there.

        Args:
            key_id: its name in the store.
            label: of the trustpoint's key pair.
        """
        if key_id in self._made:
            is_next = key_id != self.id_of(label)
            self._name(key_id, label + NEXT_MARK if is_next else label)

    def views(self) -> list[KeyView]:
        """All key pairs of the last look, oldest first; only at the first the store is waited for.

        A store that did not answer when it was last asked is asked again, in the worker.
        """
        if self._is_unanswered and not self._is_looking:
            self.look_again()
        views = [self._view(info) for info in self._list()]
        return sorted(views, key=lambda view: (view.generated_at, view.label))

    def look_again(self) -> None:
        """The agent may have made or destroyed keys: lists them anew, in the worker.

        Until the list is there, `views` gives the one before: the store may be at work for seconds.
        """
        if self._is_looking:
            self._is_stale = True
            return
        self._is_looking = True
        self._is_stale = False
        found: list[KeyInfo] = []

        def look() -> None:
            found.extend(self._store.list_keys())

        def looked(error: BaseException | None) -> None:
            self._is_looking = False
            self._is_unanswered = error is not None
            if error is None and not self._is_stale:
                self._listed = found
            elif error is not None:
                logger.warning("the key store does not answer: %s", error)
            if self._is_stale:
                self.look_again()
            else:
                self._changed()

        self._worker.run(look, looked)

    def follow(
        self,
        label: str,
        *,
        base: str,
        active: str | None,
        new: str | None,
        in_use: Set[str] = frozenset(),
    ) -> None:
        """Learns which keys a trustpoint works with, and so what its label means now.

        The label moves to the key of a renewal when that key's certificate is active; the key
        before it is destroyed. A key that the operator made meanwhile keeps its label.

        Args:
            label: of the trustpoint's key pair.
            base: how the names of keys begin that renewals of this trustpoint make.
            active: name of the key of the active certificate.
            new: name of the key of the certificate that is being enrolled for.
            in_use: names of keys that others need.
        """
        if active is None:
            return
        before = self.id_of(label)
        if active != before and self._is_successor(active, label, base):
            # First: a key left over by a crash in between would belong to nobody.
            if before not in in_use and self._is_own(before):
                self._discard(before, lambda: self._take_over(active, label, before, base))
            else:
                self._name(active, label)
        is_renewal = new is not None and new != active and new.startswith(f"{base}.")
        if is_renewal and new is not None and self._book.get(new) is None:
            self._name(new, label + NEXT_MARK)

    def _take_over(self, key_id: str, label: str, before: str, base: str) -> None:
        """Moves the label to the key of a renewal, unless it went elsewhere meanwhile."""
        if self.id_of(label) == before and self._is_successor(key_id, label, base):
            self._name(key_id, label)

    def _is_successor(self, key_id: str, label: str, base: str) -> bool:
        """Whether a renewal made the key: by its mark or, where nothing is noted, by its name."""
        note = self._book.get(key_id)
        if note is not None:
            return note.label == label + NEXT_MARK
        return not self._book.find(label) and key_id.startswith(f"{base}.")

    def discard(self, key_id: str) -> None:
        """Destroys a key that no certificate needs; never one that an operator has labelled."""
        note = self._book.get(key_id)
        if not self._is_own(key_id):
            return
        if note is not None and not note.label.endswith(NEXT_MARK):
            return
        self._discard(key_id)
        self._made.discard(key_id)
        try:
            self._book.drop(key_id)
        except DeviceError as error:
            logger.warning("key %s: %s", key_id, error)

    def _is_own(self, key_id: str) -> bool:
        """Whether this device made the key, or has labelled it."""
        return key_id in self._made or self._book.get(key_id) is not None

    def _name(self, key_id: str, label: str) -> None:
        note = self._book.get(key_id)
        if note is not None and note.label == label:
            return
        if note is None and self.id_of(label) == key_id and key_id not in self._made:
            return  # its name in the store says so; whose it is nobody knows
        kept = note or KeyNote(label=label, seen_at=self._clock().isoformat())
        try:
            self._book.put(key_id, replace(kept, label=label))
            self.look_again()
        except DeviceError as error:
            logger.warning("key %s is not noted as %s: %s", key_id, label, error)

    def _run_next(self) -> None:
        self._is_busy = True
        self._waiting.popleft()()

    def _start(self, label: str, wanted: KeyAlgorithm, *, exportable: bool, done: Done) -> None:
        known = tuple(self._listed or ())
        making = KeyMaking(self._store, label, wanted, exportable=exportable, known=known)

        def made(error: BaseException | None) -> None:
            self._is_busy = False
            done(self._replace(making, error))
            if self._waiting and not self._is_busy:
                self._run_next()

        self._worker.run(making.run, made)

    def _replace(self, making: KeyMaking, error: BaseException | None) -> str:
        """Gives the label to the key that was made; why not, or an empty text."""
        label, key_id = making.label, making.key_id
        self._is_stale = True
        if error is not None:
            self.look_again()
            if isinstance(error, KeyStoreError):
                return str(error)
            logger.error("key %s: %s", label, type(error).__name__)
            return "the key store failed"
        before = self.id_of(label)
        is_own = self._is_own(before)
        note = KeyNote(label=label, seen_at=self._clock().isoformat())
        try:
            self._book.put(key_id, note)
        except DeviceError as unwritable:
            self._discard(key_id)
            return str(unwritable)
        self._listed = list(making.listed)
        if key_id not in {info.key_id for info in self._listed}:
            self.look_again()
        if before != key_id and is_own:
            self._discard(before)
        return ""

    def _discard(self, key_id: str, then: Callable[[], None] = lambda: None) -> None:
        """Destroys a key in the worker; it is listed no more, unless it stays."""
        self._drop(key_id)
        self._discarding += 1

        def discarded(error: BaseException | None) -> None:
            self._discarding -= 1
            if error is not None:
                logger.error("key %s: %s", key_id, type(error).__name__)
            then()
            self.look_again()

        self._worker.run(lambda: discard_key(self._store, key_id), discarded)

    def _drop(self, key_id: str) -> None:
        self._is_stale = True
        if self._listed is not None:
            self._listed = [info for info in self._listed if info.key_id != key_id]

    def _list(self) -> list[KeyInfo]:
        if self._listed is None:
            try:
                self._listed = self._store.list_keys()
            except KeyStoreError as error:
                logger.warning("the key store does not answer: %s", error)
                return []
        return self._listed

    def _view(self, info: KeyInfo) -> KeyView:
        note = self._book.get(info.key_id)
        return KeyView(
            label=info.key_id if note is None else note.label,
            algorithm=info.algorithm.value,
            public_key_der=info.public_key_der,
            generated_at=self._made_at(info, note),
            exportable=info.exportable and self._capabilities.moves_keys,
            storage=self._capabilities.residence.value,
        )

    def _made_at(self, info: KeyInfo, note: KeyNote | None) -> datetime:
        if info.created_at:
            return datetime.fromisoformat(info.created_at)
        if note is not None and note.seen_at:
            return datetime.fromisoformat(note.seen_at)
        return self._seen_at.setdefault(info.key_id, self._clock())
