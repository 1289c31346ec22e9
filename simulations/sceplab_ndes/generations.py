"""The CAs of one server: the current one, the next, and those that were current before.

Which one is current follows from the clock and the depot alone, so that a restart changes nothing.
A rollover that another process prepares is noticed at the next request. Earlier CAs still answer
who addresses them, and sign their revocation lists, until their certificate ends.

Spec: RFC 8894 §4.7, §5.1; checklist 14, S-20, S-21, S-44.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sceplab_ndes.admin_page import AdminPage
from sceplab_ndes.authority import CertificateAuthority
from sceplab_ndes.ca_reply import CaReply
from sceplab_ndes.depot import Depot
from sceplab_ndes.events import EventSink, ServerEvent
from sceplab_ndes.hierarchy import Hierarchy
from sceplab_ndes.message_desk import MessageDesk
from sceplab_ndes.publication import FileWriter, Publication
from sceplab_scep.envelope import list_recipients
from sceplab_scep.errors import ScepError
from sceplab_scep.next_ca import build_next_ca
from sceplab_scep.signeddata import parse_signed_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One CA with everything that acts in its name."""

    hierarchy: Hierarchy
    authority: CertificateAuthority
    publication: Publication
    messages: MessageDesk
    admin_page: AdminPage

    @property
    def number(self) -> int:
        """0 for the first CA."""
        return self.authority.generation

    def is_over(self, now: datetime) -> bool:
        """Whether its certificate has ended."""
        return now > self.hierarchy.issuing.certificate.not_valid_after_utc


class Generations:
    """Knows who is who at a moment. Safe to use from several threads.

    Args:
        depot: knows the rollovers.
        make: puts the CA of a number together.
        make_ca_reply: the answer to GetCACert of the CAs, the current one first.
        next_ca_issues: whether the next CA answers who addresses it before the switch.
        now: current time, aware UTC.
        events: told of a switch.
        write_file: puts copies of certificates where people look.
    """

    def __init__(
        self,
        depot: Depot,
        make: Callable[[int], Generation],
        make_ca_reply: Callable[[list[Hierarchy]], CaReply],
        *,
        next_ca_issues: bool,
        now: datetime,
        events: EventSink,
        write_file: FileWriter | None,
    ) -> None:
        self._depot = depot
        self._make = make
        self._make_ca_reply = make_ca_reply
        self._next_ca_issues = next_ca_issues
        self._events = events
        self._write_file = write_file
        self._lock = threading.Lock()
        self._known: dict[int, Generation] = {}
        self._ca_replies: dict[tuple[int, ...], CaReply] = {}
        self._next_replies: dict[int, bytes] = {}
        self._told = depot.rollovers.current(now)

    def current(self, now: datetime) -> Generation:
        """The CA that issues now; who notices a switch first tells of it."""
        number = self._depot.rollovers.current(now)
        found = self.numbered(number)
        with self._lock:
            is_news, self._told = number > self._told, max(number, self._told)
        if is_news:
            if self._write_file is not None:
                for name, content in found.publication.certificate_files().items():
                    self._write_file(name, content)
            self._events(ServerEvent(kind="rollover.switched", at=now, detail=f"CA {number}"))
        return found

    def next(self, now: datetime) -> Generation | None:
        """The CA that is prepared and not yet current."""
        waiting = [r.generation for r in self._depot.rollovers.all() if r.switch_at > now]
        return self.numbered(waiting[0]) if waiting else None

    def numbered(self, number: int) -> Generation:
        """The CA of that number."""
        with self._lock:
            found = self._known.get(number)
            if found is None:
                found = self._known[number] = self._make(number)
            return found

    def all(self) -> list[Generation]:
        """Every CA, the newest first."""
        numbers = [0, *(record.generation for record in self._depot.rollovers.all())]
        return [self.numbered(number) for number in reversed(numbers)]

    def ca_reply(self, now: datetime) -> CaReply:
        """The answer to GetCACert: the current CA, behind it the earlier ones that still live."""
        current = self.current(now)
        serving = [
            one for one in self.all() if one.number < current.number and not one.is_over(now)
        ]
        serving.insert(0, current)
        key = tuple(one.number for one in serving)
        found = self._ca_replies.get(key)
        if found is None:
            found = self._make_ca_reply([one.hierarchy for one in serving])
            self._ca_replies[key] = found
        return found

    def next_ca_body(self, now: datetime) -> bytes | None:
        """The answer to GetNextCACert, signed by the current CA; ``None`` without a next one."""
        following = self.next(now)
        if following is None:
            return None
        body = self._next_replies.get(following.number)
        if body is None:
            signer = self.current(now).hierarchy.issuing
            body = build_next_ca(
                self._make_ca_reply([following.hierarchy]).certificates,
                signer=signer.key,
                signer_certificate=signer.certificate,
            )
            self._next_replies[following.number] = body
        return body

    def addressed(self, message: bytes, now: datetime) -> Generation:
        """The CA for which a pkiMessage is enveloped; the current one if that cannot be told.

        Spec: RFC 8894 §5.1; checklist S-21, S-44.
        """
        current = self.current(now)
        candidates = [
            one
            for one in self.all()
            if one is not current
            and not one.is_over(now)
            and (self._next_ca_issues or one.number < current.number)
        ]
        if not candidates:
            return current
        try:
            content = parse_signed_data(message).content
            serials = {serial for _, serial in list_recipients(content or b"")}
        except ScepError:
            return current
        for one in candidates:
            if one.hierarchy.ra_encryption.certificate.serial_number in serials:
                return one
        return current

    def publish_at(self, base_url: str) -> None:
        """Has certificates of every CA name CRL and CA certificate under this URL."""
        for one in self.all():
            one.authority.publish_at(base_url)
