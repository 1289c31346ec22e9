"""Counts what happens to the trustpoints of a running service, for its metrics."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from sceplab_agent.core.commands import Notify
from sceplab_agent.core.states import State
from sceplab_agent.journal import JournalEntry
from sceplab_agent.observer import SilentObserver

_SUCCESS = "certificate.installed"
_HAND_OFF = "handoff."


class Tally(SilentObserver):
    """Numbers since the start of the process. Told in any thread, read in the loop's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: Counter[tuple[str, str]] = Counter()
        self._hand_offs: Counter[tuple[str, str]] = Counter()
        self._successes: dict[str, datetime] = {}

    @property
    def failures(self) -> Mapping[tuple[str, str], int]:
        """Steps that failed, by trustpoint and cause."""
        with self._lock:
            return dict(self._failures)

    @property
    def hand_offs(self) -> Mapping[tuple[str, str], int]:
        """Results of hand-offs, by trustpoint and the event's name behind its dot."""
        with self._lock:
            return dict(self._hand_offs)

    @property
    def successes(self) -> Mapping[str, datetime]:
        """When a certificate was last installed, by trustpoint."""
        with self._lock:
            return dict(self._successes)

    def recorded(self, entry: JournalEntry) -> None:
        """Counts the entry."""
        with self._lock:
            self._count(entry.trustpoint, entry.event_id, entry.details)
            if entry.event_id == _SUCCESS:
                self._successes[entry.trustpoint] = entry.at

    def noticed(self, trustpoint: str, notice: Notify) -> None:
        """Counts the notice."""
        with self._lock:
            self._count(trustpoint, notice.event_id, notice.details)

    def _count(self, trustpoint: str, event_id: str, details: Mapping[str, object]) -> None:
        cause = details.get("cause")
        if isinstance(cause, str):
            self._failures[trustpoint, cause] += 1
        if event_id.startswith(_HAND_OFF):
            self._hand_offs[trustpoint, event_id.removeprefix(_HAND_OFF)] += 1


class Bell(SilentObserver):
    """Wakes who waits in the loop for something to happen. To be made in the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    @property
    def next(self) -> asyncio.Event:
        """Set at the next happening. To be taken before looking, waited for after."""
        return self._rung

    def recorded(self, entry: JournalEntry) -> None:
        """Rings."""
        self.ring()

    def state_changed(self, trustpoint: str, old: State, new: State) -> None:
        """Rings."""
        self.ring()

    def asked(self, trustpoint: str, certificate_der: bytes) -> None:
        """Rings."""
        self.ring()

    def ring(self) -> None:
        """Wakes everybody. In any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()
