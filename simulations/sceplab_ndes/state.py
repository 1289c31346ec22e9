"""Puts a server together: depot, CA, rules and responder, in memory or in a folder.

This is the place to start from in tests and labs: ``create_server_state(...).responder``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sceplab_hsm.api import KeyStore
from sceplab_hsm.secret import Secret
from sceplab_ndes.access import AccessList, AdminUser
from sceplab_ndes.admin_page import AdminPage
from sceplab_ndes.administration import Administration
from sceplab_ndes.authority import CertificateAuthority
from sceplab_ndes.ca_reply import CaReply
from sceplab_ndes.challenge import ChallengeDesk
from sceplab_ndes.depot import Depot, RolloverRecord
from sceplab_ndes.enrollment import EnrollmentDesk
from sceplab_ndes.errors import StateError
from sceplab_ndes.events import EventSink, ignore_event
from sceplab_ndes.generations import Generation, Generations
from sceplab_ndes.hierarchy import CaPlan, Hierarchy, create_hierarchy, load_hierarchy
from sceplab_ndes.message_desk import MessageDesk
from sceplab_ndes.profiles import DEFAULT_PROFILE, check_floor, load_profile
from sceplab_ndes.publication import FileWriter, Publication
from sceplab_ndes.replies import ReplyWriter
from sceplab_ndes.responder import Responder
from sceplab_ndes.rollover import prepare_rollover
from sceplab_ndes.settings import ServerProfile
from sceplab_ndes.template import CertificateTemplate
from sceplab_scep.algorithms import Floor

_BASE_URL = "base_url"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """A server and everything it is made of. Close it when done; the key store stays open.

    Hierarchy, authority and publication are those of the CA that was current at the start.
    """

    profile: ServerProfile
    floor: Floor
    depot: Depot
    hierarchy: Hierarchy
    authority: CertificateAuthority
    challenge: ChallengeDesk
    administration: Administration
    publication: Publication
    generations: Generations
    responder: Responder
    rollover: Callable[..., RolloverRecord]
    """Prepares the next CA: ``rollover(switch_at, now, user="")``; see `prepare_rollover`."""

    def publish_at(self, base_url: str) -> None:
        """Has certificates issued from now on name CRL and CA certificate under this URL."""
        self.generations.publish_at(base_url)
        with self.depot.transaction():
            self.depot.write(_BASE_URL, base_url.encode())

    def close(self) -> None:
        """Releases the depot. Twice is harmless."""
        self.depot.close()


def create_server_state(
    *,
    key_store: KeyStore,
    now: datetime,
    profile: ServerProfile | str = DEFAULT_PROFILE,
    floor: Floor | None = None,
    depot_path: Path | None = None,
    plan: CaPlan | None = None,
    static_password: Secret | None = None,
    users: Iterable[AdminUser] = (),
    events: EventSink = ignore_event,
    write_file: FileWriter | None = None,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> ServerState:
    """A server, made anew or as the depot remembers it.

    Args:
        key_store: holds the keys of CA and RA; missing ones are made.
        now: current time, aware UTC; certificates of a new CA start here.
        profile: a profile or the name of one.
        floor: floor of algorithm strength; ``None`` takes the profile's.
        depot_path: SQLite file; ``None`` keeps everything in memory.
        plan: names of a new CA; ``None`` takes defaults, and the profile's roles and life times.
        static_password: challenge of mode ``static``.
        users: who may log on to the admin page.
        events: told what happens.
        write_file: puts copies of published files where people look.
        random_bytes: source of serial numbers, nonces and passwords.

    Raises:
        ConfigError: the profile does not exist or cannot work at the floor.
        StateError: depot and key store do not belong together.
    """
    rules = load_profile(profile) if isinstance(profile, str) else profile
    effective_floor = floor or rules.floor
    check_floor(rules, effective_floor)
    depot = Depot(depot_path, random_bytes=random_bytes)
    with ExitStack() as on_failure:
        on_failure.callback(depot.close)
        challenge = ChallengeDesk(
            depot, rules.challenge, static=static_password, random_bytes=random_bytes
        )
        parts = _Parts(
            rules=rules,
            floor=effective_floor,
            depot=depot,
            key_store=key_store,
            plan=plan or _default_plan(rules),
            challenge=challenge,
            access=AccessList(users),
            events=events,
            write_file=write_file,
            random_bytes=random_bytes,
        )
        server = parts.server(now)
        on_failure.pop_all()
    return server


def _default_plan(rules: ServerProfile) -> CaPlan:
    """Names of a new CA that nobody named."""
    return CaPlan(
        ra=rules.roles.ra,
        ca_lifetime_days=rules.roles.ca_lifetime_days,
        ra_lifetime_days=rules.roles.ra_lifetime_days,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What every CA of one server is made from."""

    rules: ServerProfile
    floor: Floor
    depot: Depot
    key_store: KeyStore
    plan: CaPlan
    challenge: ChallengeDesk
    access: AccessList
    events: EventSink
    write_file: FileWriter | None
    random_bytes: Callable[[int], bytes]

    def server(self, now: datetime) -> ServerState:
        """The server; makes the CA if the depot has none."""
        if not self.depot.certificates.authority():
            create_hierarchy(
                self.depot, self.key_store, self.plan, now=now, random_bytes=self.random_bytes
            )
        generations = Generations(
            self.depot,
            self.generation,
            self.ca_reply,
            next_ca_issues=self.rules.capabilities.next_ca_issues,
            now=now,
            events=self.events,
            write_file=self.write_file,
        )
        current = generations.current(now)
        return ServerState(
            profile=self.rules,
            floor=self.floor,
            depot=self.depot,
            hierarchy=current.hierarchy,
            authority=current.authority,
            challenge=self.challenge,
            administration=Administration(self.depot, generations),
            publication=current.publication,
            generations=generations,
            responder=Responder(
                self.rules,
                self.floor,
                generations=generations,
                events=self.events,
                host=self.plan.host,
            ),
            rollover=self.rollover,
        )

    def generation(self, number: int) -> Generation:
        """The CA of that number, as the depot remembers it."""
        hierarchy = load_hierarchy(self.depot, self.key_store, number)
        if hierarchy is None:
            raise StateError(f"the depot has no certificates of CA {number}")
        authority = self._authority(hierarchy, number)
        desk = EnrollmentDesk(self.depot, authority, self.challenge, self.rules)
        writer = ReplyWriter(
            hierarchy, self.rules.reply, self.floor, random_bytes=self.random_bytes
        )
        return Generation(
            hierarchy=hierarchy,
            authority=authority,
            publication=Publication(
                self.depot,
                authority,
                overlap=timedelta(hours=self.rules.revocation.crl_overlap_hours),
                write_file=self.write_file,
            ),
            messages=MessageDesk(
                hierarchy, desk, writer, self.rules, self.floor, events=self.events
            ),
            admin_page=AdminPage(self.challenge, self.access, self.rules.admin_page, hierarchy),
        )

    def _authority(self, hierarchy: Hierarchy, number: int) -> CertificateAuthority:
        """The CA; it publishes where the depot says that it did before."""
        authority = CertificateAuthority(
            hierarchy,
            CertificateTemplate(self.rules.template),
            self.rules.revocation,
            host=self.plan.host,
            random_bytes=self.random_bytes,
            generation=number,
        )
        base_url = self.depot.read(_BASE_URL)
        if base_url is not None:
            authority.publish_at(base_url.decode())
        return authority

    def ca_reply(self, hierarchies: list[Hierarchy]) -> CaReply:
        """The answer to GetCACert, the current CA first."""
        current, *earlier = hierarchies
        return CaReply(
            current, self.rules.ca_reply, random_bytes=self.random_bytes, earlier=earlier
        )

    def rollover(
        self,
        switch_at: datetime,
        now: datetime,
        *,
        user: str = "",
        is_valid_before: bool = True,
    ) -> RolloverRecord:
        """Prepares the next CA."""
        return prepare_rollover(
            self.depot,
            self.key_store,
            self.plan,
            switch_at=switch_at,
            now=now,
            random_bytes=self.random_bytes,
            user=user,
            is_valid_before=is_valid_before,
        )
