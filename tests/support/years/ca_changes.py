"""The CAs of a life: each ends after years, names its successor before, and the device follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_agent.core.policy import CaPin, PinAlgorithm, RolloverPolicy
from sceplab_agent.core.rollover import FETCH_SHARE, LONGEST_WINDOW
from sceplab_agent.core.states import State

if TYPE_CHECKING:
    from tests.support.years.world import World

_NEVER = datetime.max.replace(tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_SWITCH_BEFORE = timedelta(seconds=RolloverPolicy().switch_before_s)


class CaChanges:
    """Announces successors, and looks whether the device takes no other CA and misses none.

    Args:
        world: its server has its first CA.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._newest = 0
        self._announced_at = _NEVER
        self._switch_at = _NEVER
        self._accepted = {0}
        """Numbers of the CAs that are the device's by pin or by the signature of the one before."""
        self._issuers: dict[x509.Certificate, int] = {}

    def expect(self) -> None:
        """Has the successor of the newest CA announced when its time has come."""
        ends = self._root(self._newest).not_valid_after_utc
        self._world.at(ends - self._world.plan.announced_before, self.announce)

    def announce(self) -> None:
        """The CA's operator prepares the next one."""
        world = self._world
        ends = self._root(self._newest).not_valid_after_utc
        self._announced_at = world.clock()
        self._switch_at = ends - world.plan.switched_before
        world.server.rollover(self._switch_at, world.clock())
        world.server_offset = self.server_step(world.server_offset)
        self._newest += 1
        world.audit.counts["CA announced"] += 1
        world.audit.note(f"CA {self._newest} takes over {self._switch_at:%Y-%m-%d %H:%M:%S}")
        self.expect()

    def server_step(self, offset: timedelta) -> timedelta:
        """The same step of the server's clock, or one back.

        A server that once showed the next CA and goes back to the one before is waited for; whether
        a renewal is possible meanwhile is not to be told.
        """
        now = self._world.clock()
        is_crossing = now < self._switch_at <= now + offset
        return -offset if is_crossing else offset

    def pin_current(self) -> CaPin | None:
        """What a person sets who compares fingerprints; ``None``: the CA is the device's already.

        From then on it is the device's.
        """
        number = self._world.server.generations.current(self._world.clock()).number
        if number in self._accepted:
            return None
        self._accepted.add(number)
        digest = self._root(number).fingerprint(hashes.SHA256())
        return CaPin(algorithm=PinAlgorithm.SHA256, digest=digest)

    def accept(self, anchor_sha256: str) -> None:
        """The device has taken a successor: it has to be one that its CA has named."""
        digest = bytes.fromhex(anchor_sha256)
        numbers = [
            number
            for number in range(self._newest + 1)
            if self._root(number).fingerprint(hashes.SHA256()) == digest
        ]
        assert numbers, f"a stranger is taken for the next CA: {anchor_sha256}"
        self._accepted.update(numbers)

    def check(self) -> None:
        """The certificate in use is of a CA that the device has accepted."""
        machine = self._world.machine
        if machine is not None and machine.active is not None:
            number = self._issuer_of(self._world.active)
            assert number in self._accepted, f"a certificate of CA {number}: not accepted"

    def gains_from(self) -> datetime:
        """From when on a renewal gives a certificate that ends later than the one in use.

        One that ends with its CA is renewed in vain until the server switches; the agent leaves
        half of what is left of such a certificate between two tries. With a certificate of the
        next CA at hand it waits for the last moment.
        """
        machine, active = self._world.machine, self._world.active
        number = self._issuer_of(active)
        if active.not_valid_after_utc < self._root(number).not_valid_after_utc - _SECOND:
            return self._world.start
        taken_at = self._world.taken_at
        if self.has_shadow():
            return active.not_valid_after_utc - _SWITCH_BEFORE
        is_known = machine is not None and (
            machine.next_ca is not None or self._trusted_number() > number
        )
        if not is_known or number == self._newest:
            return _NEVER
        return max(self._switch_at, taken_at + (active.not_valid_after_utc - taken_at) / 2)

    def has_shadow(self) -> bool:
        """Whether the device has a certificate of the next CA at hand."""
        stored = self._world.journal.snapshot("lab")
        return stored is not None and bool(stored.body.get("shadow"))

    def check_known(self, until: datetime) -> None:
        """Nothing happens until then: the device must not miss the announcement meanwhile.

        It could ask when the plan's patience of good time and two checks fit between the
        announcement, or the beginning of its asking, and the switch.
        """
        world = self._world
        machine = world.machine
        number = self._newest - 1
        if (
            machine is None
            or machine.active is None
            or machine.state is State.BLOCKED
            or world.is_revoked
            or self._trusted_number() != number
            or machine.next_ca is not None
        ):
            return
        root = self._root(number)
        begins, ends = root.not_valid_before_utc, root.not_valid_after_utc
        asks_at = max(begins + FETCH_SHARE * (ends - begins), ends - LONGEST_WINDOW)
        check = timedelta(seconds=machine.policy.rollover.check_every_s)
        good_from = max(self._announced_at, asks_at, world.audit.bad_until or world.start)
        limit = good_from + 2 * check + world.plan.patience
        assert not limit < min(until, self._switch_at), (
            f"the next CA is not known by {limit}: nothing stood in the way since {good_from}; "
            f"the server switches {self._switch_at}"
        )

    def _trusted_number(self) -> int:
        machine = self._world.machine
        if machine is None or machine.ca is None:
            return -1
        for number in range(self._newest + 1):
            if self._root(number).public_bytes(Encoding.DER) == machine.ca.anchor_der:
                return number
        raise AssertionError("a stranger is the device's CA")

    def _issuer_of(self, certificate: x509.Certificate) -> int:
        found = self._issuers.get(certificate)
        if found is not None:
            return found
        for number in range(self._newest, -1, -1):
            try:
                certificate.verify_directly_issued_by(self._root(number))
            except InvalidSignature:
                continue
            self._issuers[certificate] = number
            return number
        raise AssertionError("the certificate in use is of a stranger")

    def _root(self, number: int) -> x509.Certificate:
        return self._world.server.generations.numbered(number).hierarchy.root.certificate
