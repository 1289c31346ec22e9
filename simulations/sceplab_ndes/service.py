"""A server on a state folder: opened with its configuration, served until told to stop.

The configuration of the last start is kept in the depot, so that commands that act on the folder
use the same CA, template and rules.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sceplab_hsm.api import KeyStore
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret, resolve_secret
from sceplab_hsm.serial import for_threads
from sceplab_ndes.access import AdminUser
from sceplab_ndes.challenge import ChallengeDesk
from sceplab_ndes.config import KeyStoreConfig, ServerConfig
from sceplab_ndes.depot import Depot
from sceplab_ndes.errors import StateError
from sceplab_ndes.events import EventSink, ignore_event
from sceplab_ndes.folder import StateFolder
from sceplab_ndes.hierarchy import CaPlan
from sceplab_ndes.server import NdesHttpServer
from sceplab_ndes.settings import ServerProfile
from sceplab_ndes.state import ServerState, create_server_state

Clock = Callable[[], datetime]
_CONFIGURATION = "configuration"
DEFAULT_ADMIN = "admin"


@contextmanager
def open_server(
    folder: StateFolder,
    config: ServerConfig,
    *,
    clock: Clock,
    events: EventSink = ignore_event,
) -> Iterator[ServerState]:
    """The server of a folder, made anew when the folder is empty; closed at the end.

    Args:
        folder: where everything is.
        config: how it behaves.
        clock: current time, aware UTC.
        events: told what happens.

    Raises:
        ConfigError: the profile cannot work at the floor.
        StateError: folder and key store do not belong together.
        KeyStoreError: the key store does not open.
    """
    profile = config.server_profile()
    store = _open_keys(folder, config, clock)
    try:
        state = create_server_state(
            key_store=store,
            now=clock(),
            profile=profile,
            floor=config.floor,
            depot_path=folder.depot_path,
            plan=_plan(config, profile),
            static_password=_static_password(folder, config),
            users=_users(folder, config),
            events=events,
            write_file=folder.write_file,
        )
        try:
            if config.ca.ra_algorithm is not None:
                state.hierarchy.require_ra_keys(config.ca.ra_algorithm)
            yield state
        finally:
            state.close()
    finally:
        store.close()


def stored_config(folder: StateFolder) -> ServerConfig:
    """The configuration of the folder's last server.

    Raises:
        StateError: no server was set up there.
    """
    config = _stored_config(folder)
    if config is None:
        raise StateError(f"{folder.path}: no server was ever started there")
    return config


def with_stored_keys(folder: StateFolder, config: ServerConfig) -> ServerConfig:
    """The configuration with the key store of the folder's last server, if it names none."""
    if config.keys != KeyStoreConfig() or not folder.exists():
        return config
    stored = _stored_config(folder)
    return config if stored is None else config.model_copy(update={"keys": stored.keys})


def _stored_config(folder: StateFolder) -> ServerConfig | None:
    with open_depot(folder) as depot:
        text = depot.read(_CONFIGURATION)
    return None if text is None else ServerConfig.model_validate_json(text)


@contextmanager
def open_depot(folder: StateFolder) -> Iterator[Depot]:
    """The depot of a folder alone: no key is needed.

    Raises:
        StateError: no server was set up there.
    """
    folder.require()
    depot = Depot(folder.depot_path, random_bytes=_no_random)
    try:
        yield depot
    finally:
        depot.close()


@contextmanager
def open_challenge_desk(
    folder: StateFolder, random_bytes: Callable[[int], bytes]
) -> Iterator[ChallengeDesk]:
    """Makes passwords of a folder's server, also while that runs.

    Raises:
        StateError: no server was set up there.
    """
    config = stored_config(folder)
    with open_depot(folder) as depot:
        yield ChallengeDesk(
            depot,
            config.server_profile().challenge,
            static=_static_password(folder, config),
            random_bytes=random_bytes,
        )


def prepare(folder: StateFolder, state: ServerState, config: ServerConfig) -> None:
    """What a start does before the first request: remember the settings, write the copies."""
    with state.depot.transaction():
        state.depot.write(_CONFIGURATION, config.model_dump_json().encode())
    state.challenge.forget_unused()
    for name, content in state.publication.certificate_files().items():
        folder.write_file(name, content)


async def run_server(
    state: ServerState,
    config: ServerConfig,
    *,
    sockets: Sequence[socket.socket],
    clock: Clock,
    ready: Callable[[NdesHttpServer], None],
) -> None:
    """Serves until SIGINT or SIGTERM.

    Args:
        state: the server.
        config: address and public URL.
        sockets: bound to that address.
        clock: current time, aware UTC.
        ready: called once it listens.

    Raises:
        AddressError: another process began to listen there first.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    server = NdesHttpServer(
        state.responder, clock=clock, host=config.host, port=config.port, sockets=sockets
    )
    await server.start()
    try:
        state.publish_at(config.public_url or server.base_url)
        state.publication.crl(clock())
        ready(server)
        await stopped.wait()
    finally:
        await server.stop()


def _open_keys(folder: StateFolder, config: ServerConfig, clock: Clock) -> KeyStore:
    uri, reference = config.keys.uri, config.keys.passphrase
    if not uri:
        uri = folder.keys_uri
        reference = reference or f"file:{folder.secret_path('passphrase').absolute()}"
    # The folder's own passphrase is none for a token: each wrong PIN counts.
    store = open_key_store(
        uri,
        lambda prompt: resolve_secret(reference or "prompt:", prompt=prompt),
        create=True,
        now=clock,
    )
    return for_threads(store)


def _plan(config: ServerConfig, profile: ServerProfile) -> CaPlan:
    return CaPlan(
        common_name=config.ca.common_name,
        organization=config.ca.organization,
        host=config.ca.host,
        two_tier=config.ca.two_tier,
        ra=profile.roles.ra,
        algorithm=config.ca.algorithm,
        ra_algorithm=config.ca.ra_algorithm,
        ca_lifetime_days=profile.roles.ca_lifetime_days,
        ra_lifetime_days=profile.roles.ra_lifetime_days,
    )


def _users(folder: StateFolder, config: ServerConfig) -> list[AdminUser]:
    if not config.users:
        return [AdminUser(name=DEFAULT_ADMIN, password=folder.secret("admin-password"))]
    return [
        AdminUser(
            name=user.name,
            password=resolve_secret(user.password, prompt=f"Password of {user.name}: "),
            may_enroll=user.may_enroll,
        )
        for user in config.users
    ]


def _static_password(folder: StateFolder, config: ServerConfig) -> Secret | None:
    if config.server_profile().challenge.mode != "static":
        return None
    if config.static_password:
        return resolve_secret(config.static_password, prompt="Static challenge password: ")
    return folder.secret("static-password")


def _no_random(count: int) -> bytes:
    raise StateError(f"the depot has no salt ({count} bytes wanted); it was never set up")
