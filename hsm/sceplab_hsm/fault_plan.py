"""Decides, call by call, what goes wrong. Deterministic: the same calls meet the same faults."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from sceplab_hsm.errors import (
    KeyStoreError,
    LockoutError,
    StoreBusyError,
    StoreFullError,
    StoreLockedError,
    StoreUnavailableError,
    TokenMissingError,
)
from sceplab_hsm.fault_spec import EVERY_CALL, Fault, FaultKind, Operation
from sceplab_hsm.sealing import decode_fields, encode_fields

_STATE_FIELDS = frozenset({"calls", "away", "wrong_pins"})
_STATE_LIMIT_BYTES = 4096
_FOR_GOOD = -1
_SLICE_S = 0.5

_ERRORS: dict[FaultKind, tuple[type[KeyStoreError], str]] = {
    FaultKind.BUSY: (StoreBusyError, "the token is busy; try again"),
    FaultKind.REMOVED: (TokenMissingError, "the token was removed; put it back"),
    FaultKind.LOST: (
        TokenMissingError,
        "the token went away; whether it carried out the operation is unknown",
    ),
    FaultKind.WRONG_PIN: (StoreLockedError, "the PIN is wrong"),
    FaultKind.LOCKOUT: (
        LockoutError,
        "the token has locked itself after wrong PINs and refuses the right one too; unlock it",
    ),
    FaultKind.FULL: (StoreFullError, "the token has no room for another key"),
    FaultKind.MEMORY: (StoreFullError, "the token is out of memory for another loaded key"),
    FaultKind.FAIL: (StoreUnavailableError, "the token reports a failure"),
}


@dataclass(slots=True)
class FaultState:
    """What has happened so far."""

    calls: dict[str, int] = field(default_factory=dict)
    """Calls of each operation."""
    away: int = 0
    """For how many more calls the token is away; -1: until it is put back."""
    wrong_pins: int = 0
    """Wrong PINs in a row."""


class FaultPlan:
    """The faults of one store, and how far they have come. For any number of threads.

    Args:
        faults: as the URI says; more can be armed later.
        seed: of the chances.
        state_path: file that keeps the counters from one opening to the next; empty: they begin
            with this plan.
        sleep: waits so many seconds; ``None``: really.
    """

    def __init__(
        self,
        faults: Iterable[Fault] = (),
        *,
        seed: int = 0,
        state_path: str = "",
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._faults = list(faults)
        self._random = random.Random(seed)  # noqa: S311 - no secret hangs on it
        self._state_path = state_path
        self._state = FaultState()
        self._sleep = sleep or _sleep_in_slices
        self._lock = threading.Lock()

    def arm(self, *texts: str) -> None:
        """Adds faults, written as in a URI; their calls are counted from now.

        Raises:
            StoreUriError: not a fault.
        """
        added = [Fault.parse(text) for text in texts]
        with self._opened() as state:
            self._faults += added
            for fault in added:
                state.calls.pop(fault.operation.value, None)

    def disarm(self) -> None:
        """Drops every fault and puts the token back."""
        with self._opened() as state:
            self._faults.clear()
            state.away = state.wrong_pins = 0

    def remove(self) -> None:
        """Takes the token away until `insert`."""
        with self._opened() as state:
            state.away = _FOR_GOOD

    def insert(self) -> None:
        """Puts the token back."""
        with self._opened() as state:
            state.away = 0

    def unlock(self) -> None:
        """Clears the counter of wrong PINs."""
        with self._opened() as state:
            state.wrong_pins = 0

    def check(self, operation: Operation, place: str) -> Fault | None:
        """Counts a call, waits where it is slow, and raises what goes wrong with it.

        Args:
            operation: that is about to be carried out.
            place: the store's URI, for error texts.

        Returns:
            A fault that is to be raised after the operation (`FaultKind.LOST`), or ``None``.

        Raises:
            KeyStoreError: of the class that fits the fault.
        """
        with self._opened() as state:
            due = self._due(state, operation)
            tries = self._tries()
            is_locked = operation is Operation.OPEN and 0 < tries <= state.wrong_pins
        slow = sum(fault.value for fault in due if fault.kind is FaultKind.SLOW)
        if slow:
            self._sleep(slow)
        if is_locked:
            raise injected(FaultKind.LOCKOUT, place, f"lockout={tries}")
        for fault in due:
            if fault.kind not in (FaultKind.SLOW, FaultKind.LOST):
                raise injected(fault.kind, place, fault.text)
        return next((fault for fault in due if fault.kind is FaultKind.LOST), None)

    def note_opening(self, *, wrong_pin: bool) -> None:
        """Counts a wrong PIN; a right one begins the count anew, as tokens do."""
        with self._opened() as state:
            state.wrong_pins = state.wrong_pins + 1 if wrong_pin else 0

    def _due(self, state: FaultState, operation: Operation) -> list[Fault]:
        numbers = {}
        for counted in (operation, Operation.ANY):
            state.calls[counted.value] = state.calls.get(counted.value, 0) + 1
            numbers[counted] = state.calls[counted.value]
        due = [
            fault
            for fault in self._faults
            if fault.operation in numbers
            and fault.kind is not FaultKind.LOCKOUT
            and self._is_met(fault, numbers[fault.operation])
        ]
        for fault in due:
            if fault.kind is FaultKind.REMOVED:
                state.away = fault.count if fault.count != EVERY_CALL else _FOR_GOOD
        if state.away:
            state.away -= state.away > 0
            removed = next((fault for fault in due if fault.kind is FaultKind.REMOVED), _REMOVED)
            return [removed]
        return due

    def _is_met(self, fault: Fault, number: int) -> bool:
        if fault.one_in:
            return self._random.randrange(fault.one_in) == 0
        if fault.kind is FaultKind.REMOVED:
            return number == fault.first
        return number >= fault.first and (
            fault.count == EVERY_CALL or number < fault.first + fault.count
        )

    def _tries(self) -> int:
        limits = [int(fault.value) for fault in self._faults if fault.kind is FaultKind.LOCKOUT]
        return min(limits, default=0)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[FaultState]:
        with self._lock:
            if not self._state_path:
                yield self._state
                return
            try:
                with _locked_file(self._state_path) as file_state:
                    yield file_state
            except OSError as error:
                raise StoreUnavailableError(
                    f"cannot keep the fault counters in {self._state_path}: {error.strerror}"
                ) from error


_REMOVED = Fault(kind=FaultKind.REMOVED, operation=Operation.ANY, text="removed")


def injected(kind: FaultKind, place: str, text: str) -> KeyStoreError:
    """The error of a fault; its text says that it was injected, and by which fault."""
    error, words = _ERRORS[kind]
    # Without the query: some store may allow a secret in it.
    return error(f"{words} (injected into {place.partition('?')[0]} by fault={text})")


@contextlib.contextmanager
def _locked_file(path: str) -> Iterator[FaultState]:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state = _decode_state(file.read(_STATE_LIMIT_BYTES), path)
        try:
            yield state
        finally:
            content = encode_fields(
                {"calls": state.calls, "away": state.away, "wrong_pins": state.wrong_pins}
            )
            file.seek(0)
            file.write(content)
            file.truncate()


def _decode_state(content: bytes, path: str) -> FaultState:
    if not content:
        return FaultState()
    try:
        fields = decode_fields(content, _STATE_FIELDS)
        calls, away, wrong_pins = (fields[name] for name in ("calls", "away", "wrong_pins"))
        if not isinstance(calls, dict) or type(away) is not int or type(wrong_pins) is not int:
            raise ValueError("not the fields of this format")
        if any(type(number) is not int for number in calls.values()):
            raise ValueError("not a number")
    except ValueError as error:
        raise StoreUnavailableError(
            f"{path} does not hold fault counters; delete it or name another file"
        ) from error
    return FaultState(calls=calls, away=away, wrong_pins=wrong_pins)


def _sleep_in_slices(seconds: float) -> None:
    # A signal just before a sleep begins does not end it: Python looks for signals before the call.
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE_S))
