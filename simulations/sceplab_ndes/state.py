"""Puts a server together: depot, CA, rules and responder, in memory or in a folder.

This is the place to start from in tests and labs: ``create_server_state(...).responder``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
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
from sceplab_ndes.depot import Depot
from sceplab_ndes.enrollment import EnrollmentDesk
from sceplab_ndes.events import EventSink, ignore_event
from sceplab_ndes.hierarchy import CaPlan, Hierarchy, create_hierarchy, load_hierarchy
from sceplab_ndes.message_desk import MessageDesk
from sceplab_ndes.profiles import DEFAULT_PROFILE, check_floor, load_profile
from sceplab_ndes.publication import FileWriter, Publication
from sceplab_ndes.replies import ReplyWriter
from sceplab_ndes.responder import Responder
from sceplab_ndes.settings import ServerProfile
from sceplab_ndes.template import CertificateTemplate
from sceplab_scep.algorithms import Floor

_BASE_URL = "base_url"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """A server and everything it is made of. Close it when done; the key store stays open."""

    profile: ServerProfile
    floor: Floor
    depot: Depot
    hierarchy: Hierarchy
    authority: CertificateAuthority
    challenge: ChallengeDesk
    administration: Administration
    publication: Publication
    responder: Responder

    def publish_at(self, base_url: str) -> None:
        """Has certificates issued from now on name CRL and CA certificate under this URL."""
        self.authority.publish_at(base_url)
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
    plan = plan or CaPlan(
        ra=rules.roles.ra,
        ca_lifetime_days=rules.roles.ca_lifetime_days,
        ra_lifetime_days=rules.roles.ra_lifetime_days,
    )
    depot = Depot(depot_path, random_bytes=random_bytes)
    try:
        hierarchy = load_hierarchy(depot, key_store) or create_hierarchy(
            depot, key_store, plan, now=now, random_bytes=random_bytes
        )
        challenge = ChallengeDesk(
            depot, rules.challenge, static=static_password, random_bytes=random_bytes
        )
    except BaseException:
        depot.close()
        raise
    setting = _Setting(rules, effective_floor, depot, hierarchy, plan.host, random_bytes)
    authority = _make_authority(setting)
    publication = Publication(
        depot,
        authority,
        overlap=timedelta(hours=rules.revocation.crl_overlap_hours),
        write_file=write_file,
    )
    return ServerState(
        profile=rules,
        floor=effective_floor,
        depot=depot,
        hierarchy=hierarchy,
        authority=authority,
        challenge=challenge,
        administration=Administration(depot, authority, publication),
        publication=publication,
        responder=_make_responder(
            setting,
            authority=authority,
            challenge=challenge,
            publication=publication,
            access=AccessList(users),
            events=events,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Setting:
    """What every part of one server is made from."""

    rules: ServerProfile
    floor: Floor
    depot: Depot
    hierarchy: Hierarchy
    host: str
    random_bytes: Callable[[int], bytes]


def _make_authority(setting: _Setting) -> CertificateAuthority:
    """The CA; it publishes where the depot says that it did before."""
    authority = CertificateAuthority(
        setting.hierarchy,
        CertificateTemplate(setting.rules.template),
        setting.rules.revocation,
        host=setting.host,
        random_bytes=setting.random_bytes,
    )
    base_url = setting.depot.read(_BASE_URL)
    if base_url is not None:
        authority.publish_at(base_url.decode())
    return authority


def _make_responder(
    setting: _Setting,
    *,
    authority: CertificateAuthority,
    challenge: ChallengeDesk,
    publication: Publication,
    access: AccessList,
    events: EventSink,
) -> Responder:
    rules, floor, hierarchy = setting.rules, setting.floor, setting.hierarchy
    random_bytes = setting.random_bytes
    desk = EnrollmentDesk(setting.depot, authority, challenge, rules)
    writer = ReplyWriter(hierarchy, rules.reply, floor, random_bytes=random_bytes)
    return Responder(
        rules,
        floor,
        ca_reply=CaReply(hierarchy, rules.ca_reply, random_bytes=random_bytes),
        messages=MessageDesk(hierarchy, desk, writer, rules, floor, events=events),
        admin_page=AdminPage(challenge, access, rules.admin_page, hierarchy),
        publication=publication,
        events=events,
        host=setting.host,
    )
