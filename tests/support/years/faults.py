"""What goes wrong, when, and for how long; and the places where it shows."""

from __future__ import annotations

import enum
import functools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sceplab_agent.core.commands import InstallCertificate, Record
from sceplab_agent.drivers.virtual import VirtualClock
from sceplab_agent.errors import (
    ConnectionClosedError,
    HandOffError,
    InstallError,
    JournalFullError,
    TransportTimeoutError,
)
from sceplab_agent.journal import JournalEntry, MemoryJournal
from sceplab_agent.transport import HttpResponse, HttpTransport
from sceplab_lab.memory_transport import MemoryTransport
from sceplab_ndes.hierarchy import CaPlan
from tests.support.consumers import MemoryConsumer
from tests.support.server import NOW, make_server


class Kind(enum.Enum):
    """One way in which the world is not as it should be."""

    AWAY = "server away"
    BUSY = "server overloaded"
    LOST = "answers lost"
    GARBAGE = "answers are garbage"
    OTHER_CA = "another CA answers"
    SERVER_CLOCK = "server clock wrong: refusals, certificates of another year"
    SLOW = "slow answers"
    ABSENT = "nobody approves"
    DENIES = "renewals denied"
    DISK = "disk full for certificates"
    JOURNAL = "disk full for the journal"
    STORE = "token away"
    CONSUMER = "consumer does not work with it"
    STUCK = "consumer cannot be brought back either"
    REFUSES = "consumer refuses it for good"
    BACK = "clock years back"
    AHEAD = "clock years ahead"
    NTP = "clock seconds off"


DRAWN = list(Kind)
HARMLESS = {Kind.SLOW, Kind.NTP}
"""A renewal has to succeed all the same."""


class PowerCut(BaseException):
    """The device stops between two instructions."""


@dataclass(slots=True)
class Fuse:
    """Counts effects and cuts the power when enough have passed.

    Args:
        draw: chance.
        mean: effects between two cuts.
    """

    draw: random.Random
    mean: int
    left: int = 0

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Draws when the next cut comes."""
        self.left = 1 + int(self.draw.expovariate(1 / self.mean))

    def burn(self, place: str) -> None:
        """One more boundary is passed.

        Raises:
            PowerCut: it was the last.
        """
        self.left -= 1
        if self.left == 0:
            raise PowerCut(place)


class Weather:
    """Which faults there are at the moment."""

    def __init__(self) -> None:
        self._ends: dict[Kind, datetime] = {}

    def begin(self, kind: Kind, until: datetime) -> None:
        """A fault begins, or lasts longer."""
        self._ends[kind] = max(until, self._ends.get(kind, until))

    def is_over(self, kind: Kind, now: datetime) -> bool:
        """Whether it has ended; only one that was begun is asked about."""
        return self._ends[kind] <= now

    def has(self, now: datetime, *kinds: Kind) -> bool:
        """Whether one of them is on."""
        return any(kind in self._ends and now < self._ends[kind] for kind in kinds)

    def clear(self) -> None:
        """Ends everything."""
        self._ends.clear()


@functools.cache
def _stranger() -> MemoryTransport:
    plan = CaPlan(common_name="Another CA", ca_lifetime_days=36500, ra="none")
    server = make_server(plan=plan)
    return MemoryTransport(server.responder, lambda: NOW)


class WeatheredTransport:
    """The way to the server.

    Args:
        server: answers.
        clock: the true time, which slow answers take.
        weather: of the world.
        fuse: of the device.
        draw: chance.
    """

    def __init__(
        self,
        server: HttpTransport,
        clock: VirtualClock,
        weather: Weather,
        fuse: Fuse,
        draw: random.Random,
    ) -> None:
        self._server, self._clock = server, clock
        self._weather, self._fuse, self._draw = weather, fuse, draw

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See `HttpTransport.request`."""
        has = functools.partial(self._weather.has, self._clock())
        self._fuse.burn("before send")
        if has(Kind.AWAY):
            raise TransportTimeoutError("no answer; look whether the server is up")
        if has(Kind.BUSY):
            return HttpResponse(status=self._draw.choice([429, 500, 503]))
        server = _stranger() if has(Kind.OTHER_CA) else self._server
        answer = server.request(method, url, body=body, content_type=content_type, headers=headers)
        if has(Kind.SLOW):
            self._clock.move_to(self._clock() + timedelta(seconds=self._draw.uniform(0, 85)))
        self._fuse.burn("after answer")
        if has(Kind.LOST):
            raise ConnectionClosedError("the connection ended before the answer; try again")
        if has(Kind.GARBAGE) and self._draw.random() < 0.8:
            return self._spoil(answer)
        return answer

    def _spoil(self, answer: HttpResponse) -> HttpResponse:
        draw, body = self._draw, answer.body
        flipped = bytearray(body or b"x")
        flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
        bodies = [b"", b"<html>Please log in</html>", draw.randbytes(300), bytes(flipped)]
        spoilt = draw.choice([*bodies, body[: len(body) // 2]])
        return HttpResponse(status=draw.choice([200, 200, 200, 404]), body=spoilt)


class WeatheredJournal(MemoryJournal):
    """A journal on a disk that may be full, in a device that may stop."""

    def __init__(self, is_full: Callable[[], bool], step: Callable[[str], None]) -> None:
        super().__init__()
        self._is_full, self._step = is_full, step

    def commit(self, trustpoint: str, at: datetime, record: Record) -> JournalEntry:
        """See `Journal.commit`."""
        self._step(f"before {record.event_id}")
        if self._is_full():
            raise JournalFullError("the disk is full; make room")
        entry = super().commit(trustpoint, at, record)
        self._step(f"after {record.event_id}")
        return entry


class WeatheredInstaller:
    """Places of certificates on such a disk: the one in use and the one that waits."""

    def __init__(self, is_full: Callable[[], bool], step: Callable[[str], None]) -> None:
        self.current: InstallCertificate | None = None
        self.candidate: InstallCertificate | None = None
        self._is_full, self._step = is_full, step

    def install(self, trustpoint: str, command: InstallCertificate) -> None:
        """See `CertificateInstaller.install`."""
        self._step("before install")
        if self._is_full():
            raise InstallError("no room; the certificate before is still in its place")
        if command.is_candidate:
            self.candidate = command
        else:
            self.current = command
        self._step("after install")


class WeatheredConsumer(MemoryConsumer):
    """A consumer with moods.

    Args:
        has: whether one of these faults is on.
        step: burns the fuse.
        draw: chance.
    """

    def __init__(
        self, has: Callable[..., bool], step: Callable[[str], None], draw: random.Random
    ) -> None:
        super().__init__()
        self._has, self._burn, self._draw = has, step, draw

    def _step(self, step: str) -> None:
        self._burn(f"before {step}")
        if step == "roll_back":
            if self._has(Kind.STUCK):
                raise HandOffError(self.name, "it does not answer; restart it")
            return
        if step == "commit":
            return
        if self._has(Kind.REFUSES) and step == "prepare":
            raise HandOffError(self.name, "not a certificate for it", may_pass=False)
        if self._has(Kind.CONSUMER, Kind.STUCK) and (step == "verify" or self._draw.random() < 0.3):
            raise HandOffError(self.name, f"{step} does not work; look at its log")
