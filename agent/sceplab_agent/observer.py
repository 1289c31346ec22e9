"""Who watches an enrollment: progress lines, traces, device consoles. Nothing depends on it."""

from __future__ import annotations

from typing import Protocol

from sceplab_agent.core.commands import Notify
from sceplab_agent.core.states import State
from sceplab_agent.journal import JournalEntry


class Observer(Protocol):
    """Told what happens, in the thread that makes it happen. Must not raise and not wait."""

    def recorded(self, entry: JournalEntry) -> None:
        """An entry is in the journal, durably."""

    def noticed(self, trustpoint: str, notice: Notify) -> None:
        """The machine has something to say that needs no journal."""

    def state_changed(self, trustpoint: str, old: State, new: State) -> None:
        """The machine moved."""

    def asked(self, trustpoint: str, certificate_der: bytes) -> None:
        """The operator has to compare this CA certificate's fingerprint; answered by an event."""

    def ca_received(self, trustpoint: str, certificates_der: tuple[bytes, ...]) -> None:
        """GetCACert was answered; not yet judged."""

    def csr_signed(self, trustpoint: str, csr_der: bytes) -> None:
        """A certification request goes into a message. It may hold the challenge password."""

    def message_sent(self, trustpoint: str, message_der: bytes) -> None:
        """A pkiMessage is about to leave."""

    def message_received(self, trustpoint: str, body: bytes) -> None:
        """A body came back; not yet judged."""


class SilentObserver:
    """Looks away."""

    def recorded(self, entry: JournalEntry) -> None:
        """See `Observer.recorded`."""

    def noticed(self, trustpoint: str, notice: Notify) -> None:
        """See `Observer.noticed`."""

    def state_changed(self, trustpoint: str, old: State, new: State) -> None:
        """See `Observer.state_changed`."""

    def asked(self, trustpoint: str, certificate_der: bytes) -> None:
        """See `Observer.asked`."""

    def ca_received(self, trustpoint: str, certificates_der: tuple[bytes, ...]) -> None:
        """See `Observer.ca_received`."""

    def csr_signed(self, trustpoint: str, csr_der: bytes) -> None:
        """See `Observer.csr_signed`."""

    def message_sent(self, trustpoint: str, message_der: bytes) -> None:
        """See `Observer.message_sent`."""

    def message_received(self, trustpoint: str, body: bytes) -> None:
        """See `Observer.message_received`."""


class Observers:
    """Tells several observers, the newest first.

    Args:
        last: told after all others: who reads its lines finds the others in the know.
    """

    def __init__(self, last: Observer) -> None:
        self._members = [last]

    def add(self, observer: Observer) -> None:
        """Tells this one, too, from now on."""
        self._members = [observer, *self._members]

    def recorded(self, entry: JournalEntry) -> None:
        """See `Observer.recorded`."""
        for member in self._members:
            member.recorded(entry)

    def noticed(self, trustpoint: str, notice: Notify) -> None:
        """See `Observer.noticed`."""
        for member in self._members:
            member.noticed(trustpoint, notice)

    def state_changed(self, trustpoint: str, old: State, new: State) -> None:
        """See `Observer.state_changed`."""
        for member in self._members:
            member.state_changed(trustpoint, old, new)

    def asked(self, trustpoint: str, certificate_der: bytes) -> None:
        """See `Observer.asked`."""
        for member in self._members:
            member.asked(trustpoint, certificate_der)

    def ca_received(self, trustpoint: str, certificates_der: tuple[bytes, ...]) -> None:
        """See `Observer.ca_received`."""
        for member in self._members:
            member.ca_received(trustpoint, certificates_der)

    def csr_signed(self, trustpoint: str, csr_der: bytes) -> None:
        """See `Observer.csr_signed`."""
        for member in self._members:
            member.csr_signed(trustpoint, csr_der)

    def message_sent(self, trustpoint: str, message_der: bytes) -> None:
        """See `Observer.message_sent`."""
        for member in self._members:
            member.message_sent(trustpoint, message_der)

    def message_received(self, trustpoint: str, body: bytes) -> None:
        """See `Observer.message_received`."""
        for member in self._members:
            member.message_received(trustpoint, body)
