"""Holds the invariants of a life after every event, and counts what happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from sceplab_agent.core.states import State

if TYPE_CHECKING:
    from tests.support.years.world import World

_ROUND_ENDS = {
    "certificate.installed",
    "handoff.started",
    "enrollment.expired",
    "enrollment.rejected",
    "enrollment.failed",
    "enrollment.requested",
    "renewal.due",
    "recovery.anew",
    "rollover.shadow-failed",
    "rollover.shadow-ready",
    "rollover.shadow-cancelled",
    "certificate.expired",
}
_HISTORY = 120
_MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Audit:
    """Looks at a world.

    Args:
        world: is only looked at.
    """

    world: World
    counts: Counter[str] = field(default_factory=Counter)
    history: list[str] = field(default_factory=list)
    bad_until: datetime | None = None
    """True time at which the newest known trouble ends."""
    _read: int = 0
    _intention: set[str] = field(default_factory=set)

    def note(self, text: str) -> None:
        """Adds a line to the history, which a failure shows."""
        self.history.append(f"{self.world.clock():%Y-%m-%d %H:%M:%S} {text}")
        del self.history[:-_HISTORY]

    def trouble(self, until: datetime) -> None:
        """Until then nobody can ask for a renewal."""
        self.bad_until = max(until, self.bad_until or until)

    def due_at(self) -> datetime:
        """The latest moment at which the renewal has to start, by arithmetic of its own."""
        certificate, renewal = self.world.active, self.world.plan.policy["renewal"]
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        due = begins + renewal.at_share * (ends - begins)
        if renewal.days_before_end is not None:
            due = max(due, ends - timedelta(days=renewal.days_before_end))
        return due

    def check_liveness(self, until: datetime) -> None:
        """Nothing happens until then: the certificate must not miss its renewal meanwhile.

        A renewal was possible when the renewal window held the plan's patience of good time in a
        row: power, right clock, key store, disk, consumer, server, somebody who approves.
        """
        world = self.world
        world.ca_changes.check_known(until)
        if world.machine is None or world.machine.active is None or world.is_revoked:
            return
        if world.machine.state is State.BLOCKED:
            return  # until the operator comes
        gains_from = world.ca_changes.gains_from()
        # A certificate of the next CA is taken into use weeks after it was issued.
        begins = max(self.due_at(), world.taken_at, self.bad_until or world.start, gains_from)
        ends = world.active.not_valid_after_utc
        if begins < ends:
            # What is at hand already needs nobody's patience.
            is_at_hand = world.ca_changes.has_shadow() and begins == gains_from
            limit = begins + world.plan.patience if not is_at_hand else ends - _MINUTE
            assert not limit < min(until, ends), (
                f"not renewed by {limit}: nothing stood in the way since {begins}; "
                f"the certificate ends {ends}"
            )

    def check_power_off(self) -> None:
        """After a cut, what is in use is of the journal's certificate or of the one before it."""
        stored = self.world.journal.snapshot("lab")
        body = stored.body if stored is not None else {}
        named = {
            part["generation"]
            for name in ("active", "successor", "new_key")
            if isinstance(part := body.get(name), dict)
        }
        for user, generation in self._in_use().items():
            if user == "consumer" and body.get("is_handoff_open"):
                continue  # it may hold on to an earlier one that was never taken, of the same key
            assert not generation or generation in named, f"{user} uses {generation} of {named}"
        self._check_keys(body)

    def check(self) -> None:
        """After an event that came to its end: one certificate, its keys, one transaction."""
        world = self.world
        assert world.machine is not None
        self._read_journal()
        stored = world.journal.snapshot("lab")
        assert stored is not None
        body = stored.body
        active = world.machine.active
        generation = active.generation if active is not None else 0
        if not body["is_handoff_open"]:
            in_use = self._in_use()
            assert set(in_use.values()) == {generation}, f"journal: {generation}, {in_use}"
            if active is not None and world.installer.current is not None:
                assert world.installer.current.certificate_der == active.certificate_der
        self._check_keys(body)
        self._check_server()
        world.ca_changes.check()

    def _in_use(self) -> dict[str, int]:
        world, current = self.world, self.world.installer.current
        in_use = {"place": current.generation if current is not None else 0}
        if world.plan.policy["hands_over"]:
            in_use["consumer"] = world.consumer.in_use
        return in_use

    def _check_keys(self, body: dict[str, object]) -> None:
        held = {info.key_id: info.public_key_der for info in self.world.pool.list_keys()}
        retired = body.get("retired_keys", [])
        assert isinstance(retired, list)
        named = set(retired)
        shadow = body.get("shadow")
        kept = shadow["key"] if isinstance(shadow, dict) else None
        for part in (body.get("active"), body.get("new_key"), body.get("successor"), kept):
            if isinstance(part, dict):
                named.add(part["key_id"])
        assert set(held) <= named, f"orphans: {set(held) - named}"
        current = self.world.installer.current
        if current is not None:
            key = held.get(current.key_id)
            certificate = x509.load_der_x509_certificate(current.certificate_der)
            public = certificate.public_key()
            assert key is not None, f"the key {current.key_id} of the certificate in use is gone"
            assert self.world.pool.get(current.key_id).public_key == public

    def _check_server(self) -> None:
        if not self.world.plan.is_manual:
            return
        waiting = {r.transaction_id for r in self.world.server.administration.pending()}
        assert len(waiting & self._intention) <= 1, f"doubled: {waiting & self._intention}"

    def _read_journal(self) -> None:
        while entries := self.world.journal.entries(after=self._read):
            for entry in entries:
                self._read = entry.seq
                self.counts[entry.event_id] += 1
                details = {name: value for name, value in entry.details.items() if value}
                self.note(f"  {entry.event_id} {details}")
                if entry.event_id in _ROUND_ENDS or (
                    entry.event_id == "enrollment.retry" and entry.details["step"] == "fetch"
                ):
                    self._intention.clear()
                elif entry.event_id == "enrollment.request":
                    self._intention.add(str(entry.details["transaction_id"]))
                if entry.event_id == "rollover.known":
                    self.world.ca_changes.accept(str(entry.details["anchor_sha256"]))
                self._note_refusal(entry.event_id)

    def _note_refusal(self, event_id: str) -> None:
        """A consumer that refused for good is left in peace for half of the time left."""
        machine = self.world.machine
        if event_id == "handoff.failed" and machine is not None and machine.active is not None:
            failure = machine.failure
            if failure is not None and failure.is_lasting:
                now = self.world.clock()
                self.trouble(now + (machine.active.not_after - now) / 2)
