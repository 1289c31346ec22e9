"""The server that a rack starts itself, in the event loop of its devices."""

from __future__ import annotations

import socket
import warnings
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives import hashes

from sceplab_lab.clock import LabClock
from sceplab_lab.rack_model import ServerSettings
from sceplab_ndes.config import ServerConfig, load_config
from sceplab_ndes.errors import AddressError
from sceplab_ndes.folder import StateFolder
from sceplab_ndes.listening import taken_address
from sceplab_ndes.server import NdesHttpServer
from sceplab_ndes.service import DEFAULT_ADMIN, open_server, prepare, with_stored_keys
from sceplab_ndes.validity import validity_settings
from sceplab_scep.algorithms import Floor

PORT_FILE = "rack-port"
"""In the server's state folder: the port of the last start."""


def server_config(settings: ServerSettings, beside: Path) -> ServerConfig:
    """The server's own form of the settings.

    Args:
        settings: of the rack file.
        beside: folder of the rack file.

    Raises:
        ConfigError: the file behind ``config``, the profile or a setting is wrong.
    """
    config = load_config(beside / settings.config) if settings.config else ServerConfig()
    given = settings.model_fields_set
    changes: dict[str, object] = {
        key: getattr(settings, key) for key in ("profile", "host", "port") if key in given
    }
    if settings.floor is not None:
        changes["floor"] = Floor(settings.floor)
    tables = {key: dict(value) for key, value in config.settings.items()}
    if settings.approval is not None:
        tables.setdefault("template", {})["approval"] = settings.approval
    if settings.challenge is not None:
        tables.setdefault("challenge", {})["mode"] = settings.challenge
    if settings.validity:
        lifetime = validity_settings(settings.validity, source="server.validity")
        tables.setdefault("template", {}).update(lifetime)
    config = config.model_copy(update={**changes, "settings": tables})
    config.server_profile()
    return config


def _address(config: ServerConfig, last: Path) -> AbstractContextManager[list[socket.socket]]:
    """The address to listen on: where any port will do, that of the last start if it is free.

    Saved configurations of devices point there.
    """
    if not config.port:
        with suppress(OSError, ValueError, OverflowError, AddressError):
            port = int(last.read_text(encoding="ascii"))
            with taken_address(config.host, port):
                return taken_address(config.host, port)
    return taken_address(config.host, config.port)


@asynccontextmanager
async def serving(
    config: ServerConfig, path: Path, clock: LabClock
) -> AsyncIterator[dict[str, object]]:
    """The server runs; gives what programs are told of it, ``scep_url`` among it.

    Args:
        config: how it behaves.
        path: its state folder; made when it is not there.
        clock: its time.

    Raises:
        NdesError: folder, address or configuration cannot be used.
        KeyStoreError: its keys cannot be had.
    """
    # A client's name that is too long is refused in a CertRep; cryptography would also warn of it.
    warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning)
    folder = StateFolder(path)
    with ExitStack() as stack:
        if folder.exists():
            stack.enter_context(folder.lock())
        sockets = stack.enter_context(_address(config, path / PORT_FILE))
        if not folder.exists():
            folder.make()
            stack.enter_context(folder.lock())
        config = with_stored_keys(folder, config)
        state = stack.enter_context(open_server(folder, config, clock=clock))
        prepare(folder, state, config)
        server = NdesHttpServer(
            state.responder, clock=clock, host=config.host, port=config.port, sockets=sockets
        )
        await server.start()
        folder.write_file(PORT_FILE, b"%d\n" % server.port)
        try:
            state.publish_at(config.public_url or server.base_url)
            state.publication.crl(clock())
            root = state.hierarchy.root.certificate
            yield {
                "profile": state.profile.name,
                "state": str(folder.path),
                "scep_url": server.scep_url,
                "admin_url": server.admin_url,
                "admin_user": config.users[0].name if config.users else DEFAULT_ADMIN,
                "admin_password": config.users[0].password
                if config.users
                else f"file:{folder.path / 'admin-password'}",
                "ca_sha256": root.fingerprint(hashes.SHA256()).hex(),
                "ca_file": str(folder.path / "ca.pem"),
            }
        finally:
            await server.stop()
