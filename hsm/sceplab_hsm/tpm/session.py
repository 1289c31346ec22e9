"""The way to the chip: one command sequence at a time, with what goes wrong on it put right.

A chip has few slots for loaded keys (three, as a rule) and shares them among all its clients, so
the session keeps at most one key loaded: the last one used. What other clients do to the slots is
expected: before a key that stayed loaded is used again, the chip is asked whether it still is the
one behind the handle; a flushed key is loaded again; when no slot is free, everything loaded is
flushed, since it belongs to clients that died or to clients that load again as we do. A broken
connection is made anew at the next call.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sceplab_hsm.errors import (
    ForkedStoreError,
    KeyStoreError,
    StoreBusyError,
    StoreUnavailableError,
    TokenMissingError,
)
from sceplab_hsm.tpm.blobfile import StoredKey
from sceplab_hsm.tpm.chip import TpmChip, TpmError, TpmGoneError
from sceplab_hsm.tpm.chiplock import chip_locked
from sceplab_hsm.tpm.parent import prove_parent
from sceplab_hsm.tpm.response import failure, is_busy, is_foreign, lacks_object, lacks_slot

ConnectChip = Callable[[], TpmChip]
"""Connects to the chip, also once more after it went away; raises `TpmGoneError` when absent."""

Result = TypeVar("Result")

_ATTEMPTS = 12
_LONGEST_PAUSE_S = 0.05


class KeyDisplacedError(Exception):
    """Another client's key answered under our handle; the session loads ours again."""


@dataclass(frozen=True, slots=True)
class _LoadedKey:
    public_key_der: bytes
    handle: int


class ChipSession:
    """Serialised access to one chip for one store.

    Args:
        place: the store's URI, for error texts.
        connect: makes a connection.
        unlock_hint: what clears a lockout, for error texts.
        lock_path: by which processes take turns; ``None`` where something else keeps them apart.
        pause: waits so many seconds before another attempt.
    """

    def __init__(
        self,
        place: str,
        connect: ConnectChip,
        *,
        unlock_hint: str,
        lock_path: Path | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._place = place
        self._connect = connect
        self._unlock_hint = unlock_hint
        self._lock_path = lock_path
        self._pause = pause
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._chip: TpmChip | None = None
        self._is_closed = False
        self._loaded: _LoadedKey | None = None
        self._parent: tuple[int, bytes] | None = None
        self._is_parent_proved = False

    def run(self, work: Callable[[TpmChip], Result]) -> Result:
        """Runs commands on the chip, alone. The work may be run again when it was disturbed.

        Raises:
            ForkedStoreError: this process is a fork of the one that opened the store.
            TokenMissingError: the chip is away, or another one answers.
            StoreUnavailableError: the connection to it broke.
            KeyStoreError: what the chip's refusal means.
        """
        self.require_own_process()
        with self._lock, chip_locked(self._lock_path):
            if self._is_closed:
                raise StoreUnavailableError(f"key store {self._place} is closed")
            refusal: KeyStoreError
            for attempt in range(_ATTEMPTS):
                if attempt:
                    self._pause(min(0.0005 * 2**attempt, _LONGEST_PAUSE_S))
                try:
                    return work(self._connected())
                except TpmGoneError as error:
                    raise self._gone() from error
                except KeyDisplacedError:
                    self._loaded = None
                    refusal = StoreBusyError(f"other programs disturb the chip of {self._place}")
                except TpmError as error:
                    refusal = failure(error, self._place, unlock_hint=self._unlock_hint)
                    if not self._recover(error, is_first=attempt == 0):
                        raise refusal from error
            raise refusal

    def with_key(self, key: StoredKey, work: Callable[[TpmChip, int], Result]) -> Result:
        """Runs commands with a key that is loaded for them.

        Args:
            key: from its file.
            work: gets the chip and the key's handle; may raise `KeyDisplacedError`.

        Raises:
            KeyStoreError: as `run`.
        """
        return self.run(lambda chip: work(chip, self._handle_of(chip, key)))

    def connect(self) -> None:
        """Makes sure that the chip answers, and that it is the right one.

        Raises:
            KeyStoreError: as `run`.
        """
        self.run(lambda chip: chip.get_random(1))

    def bind(self, handle: int, public_key_der: bytes) -> None:
        """Says which storage key the keys hang under; from now on no other chip is accepted."""
        self._parent = handle, public_key_der

    @property
    def parent_handle(self) -> int:
        """Handle of the storage key, after `bind`."""
        assert self._parent is not None
        return self._parent[0]

    def unload(self, public_key_der: bytes | None = None) -> None:
        """Frees the slot of the key that stayed loaded, if it is this one (``None``: any)."""
        self.require_own_process()
        with self._lock, chip_locked(self._lock_path):
            if self._loaded and public_key_der in (None, self._loaded.public_key_der):
                self._flush_own()

    def close(self) -> None:
        """Frees slot and connection. In a forked child only what is in memory."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._is_closed = True
            if self._loaded is not None:
                with chip_locked(self._lock_path):
                    self._flush_own()
            self._drop()

    def require_own_process(self) -> None:
        """Raises `ForkedStoreError` in a fork of the process that opened the store."""
        if os.getpid() != self._pid:
            raise ForkedStoreError(
                f"key store {self._place} was opened before this process was forked; open it anew"
            )

    def _connected(self) -> TpmChip:
        if self._chip is None:
            self._chip = self._connect()
        if self._parent is not None and not self._is_parent_proved:
            prove_parent(self._chip, *self._parent, self._place)
            self._is_parent_proved = True
        return self._chip

    def _handle_of(self, chip: TpmChip, key: StoredKey) -> int:
        wanted, loaded = key.info.public_key_der, self._loaded
        if loaded is not None and loaded.public_key_der == wanted:
            if chip.public_key_der(loaded.handle) == wanted:
                return loaded.handle
            self._loaded = None
        self._flush_own()
        handle = chip.load(self.parent_handle, key.blobs)
        self._loaded = _LoadedKey(wanted, handle)
        return handle

    def _flush_own(self) -> None:
        if self._loaded is not None and self._chip is not None:
            with contextlib.suppress(TpmError, TpmGoneError):
                self._chip.flush(self._loaded.handle)
        self._loaded = None

    def _recover(self, error: TpmError, *, is_first: bool) -> bool:
        """Puts right what can be; whether another attempt makes sense."""
        if lacks_slot(error):
            self._flush_everything()
            return True
        if lacks_object(error) or is_foreign(error):
            # The chip may have lost its power, or another one may stand in its place.
            self._loaded = None
            self._is_parent_proved = False
            return is_first or lacks_object(error)
        return is_busy(error)

    def _flush_everything(self) -> None:
        self._loaded = None
        if self._chip is None:
            return
        with contextlib.suppress(TpmError, TpmGoneError):
            for handle in self._chip.transient_handles():
                with contextlib.suppress(TpmError):
                    self._chip.flush(handle)

    def _gone(self) -> KeyStoreError:
        was_reached = self._chip is not None
        self._drop()
        if was_reached and self._is_there():
            return StoreUnavailableError(
                f"the connection to the chip of {self._place} broke; whether it carried out the "
                "last command is unknown. Use the store again; when it stays so, restart the chip "
                "or its server"
            )
        unknown = "; whether it carried out the last command is unknown" if was_reached else ""
        return TokenMissingError(
            f"the chip of {self._place} does not answer{unknown}. Start or attach it, then use "
            "the store again"
        )

    def _is_there(self) -> bool:
        """Connects anew; whether that goes well, or fails in another way than by absence."""
        try:
            self._chip = self._connect()
        except (TpmGoneError, TokenMissingError):
            return False
        except KeyStoreError:
            return True
        return True

    def _drop(self) -> None:
        chip, self._chip = self._chip, None
        self._loaded = None
        self._is_parent_proved = False
        if chip is not None:
            with contextlib.suppress(TpmError, TpmGoneError):
                chip.close()
