"""`sceplab ndes serve`: what the person at the terminal sees of a running server."""

from __future__ import annotations

import asyncio
import json
import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import typer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sceplab_ndes.cli_output import print_json
from sceplab_ndes.config import ServerConfig
from sceplab_ndes.events import EventSink, ServerEvent, json_lines
from sceplab_ndes.folder import StateFolder
from sceplab_ndes.listening import taken_address
from sceplab_ndes.server import NdesHttpServer, exposure_warning
from sceplab_ndes.service import (
    DEFAULT_ADMIN,
    open_server,
    prepare,
    run_server,
    with_stored_keys,
)
from sceplab_ndes.state import ServerState
from sceplab_ndes.validity import validity_text
from sceplab_scep.names import name_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeView:
    """What is shown."""

    as_json: bool
    is_quiet: bool
    traces: bool
    log: Path | None


def serve_folder(
    folder: StateFolder,
    config: ServerConfig,
    view: ServeView,
    *,
    clock: Callable[[], datetime],
) -> None:
    """Serves a state folder until SIGINT or SIGTERM.

    Args:
        folder: made when it does not exist.
        config: how the server behaves.
        view: what is shown.
        clock: current time, aware UTC.
    """
    # A client's name that is too long is refused in a CertRep; cryptography would also warn of it.
    warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning)
    is_new = not folder.exists()
    with ExitStack() as stack:
        if not is_new:
            stack.enter_context(folder.lock())
        # Before anything is made: a port that is taken leaves no folder behind.
        sockets = stack.enter_context(taken_address(config.host, config.port))
        folder.make()
        if is_new:
            stack.enter_context(folder.lock())
        events = _event_sink(view, stack)
        if not view.as_json:
            typer.echo(f"state    {folder.path} ({'made now' if is_new else 'as it was'})")
        config = with_stored_keys(folder, config)
        state = stack.enter_context(open_server(folder, config, clock=clock, events=events))
        prepare(folder, state, config)

        def ready(server: NdesHttpServer) -> None:
            facts = _facts(folder, config, state, server)
            folder.write_file(folder.ready_path.name, json.dumps(facts).encode() + b"\n")
            if view.as_json:
                print_json(facts)
            else:
                _show_ready(facts, exposure_warning(config.host))

        try:
            asyncio.run(run_server(state, config, sockets=sockets, clock=clock, ready=ready))
        finally:
            folder.ready_path.unlink(missing_ok=True)
        if not view.as_json:
            typer.echo("stopped")


def _event_sink(view: ServeView, stack: ExitStack) -> EventSink:
    """Where events go; the stack closes the log."""
    sinks: list[EventSink] = []
    if view.log is not None:
        sinks.append(json_lines(stack.enter_context(view.log.open("a", encoding="utf-8"))))
    if not view.as_json and not view.is_quiet:
        sinks.append(_show_trace if view.traces else _show_event)

    def tell(event: ServerEvent) -> None:
        for sink in sinks:
            sink(event)

    return tell


def _facts(
    folder: StateFolder, config: ServerConfig, state: ServerState, server: NdesHttpServer
) -> dict[str, object]:
    issuing = state.hierarchy.issuing.certificate
    root = state.hierarchy.root.certificate
    template, challenge = state.profile.template, state.profile.challenge
    uses_own_user = not config.users
    password_path = folder.path / "admin-password"
    return {
        "event": "ready",
        "pid": os.getpid(),
        "state": str(folder.path),
        "profile": state.profile.name,
        "floor": state.floor.value,
        "approval": template.approval,
        "challenge": challenge.mode,
        "validity": validity_text(template),
        "scep_url": server.scep_url,
        "admin_url": server.admin_url,
        "admin_user": DEFAULT_ADMIN if uses_own_user else config.users[0].name,
        "admin_password": f"file:{password_path}" if uses_own_user else config.users[0].password,
        "ca_subject": name_text(root.subject),
        "ca_sha256": root.fingerprint(hashes.SHA256()).hex(),
        # What many devices show; whoever compares has nothing better there.
        "ca_sha1": root.fingerprint(hashes.SHA1()).hex(),  # noqa: S303
        "ca_md5": root.fingerprint(hashes.MD5()).hex(),  # noqa: S303
        "issuing_subject": name_text(issuing.subject),
        "ca_file": str(folder.path / "ca.pem"),
        "keys": config.keys.uri or folder.keys_uri,
        "ra_key_bits": _ra_key_bits(state),
    }


def _ra_key_bits(state: ServerState) -> int | None:
    """Length of the RA's encryption key; ``None``: the CA has no RA."""
    key = state.hierarchy.ra_encryption.certificate.public_key()
    return key.key_size if state.hierarchy.has_ra and isinstance(key, RSAPublicKey) else None


def _show_ready(facts: dict[str, object], warning: str) -> None:
    lines = (
        ("profile", "{profile}, floor {floor}, approval {approval}, challenge {challenge}"),
        ("", "certificates are valid for {validity}"),
        ("SCEP", "{scep_url}"),
        ("admin", "{admin_url}  user {admin_user}, password in {admin_password}"),
        ("CA", "{ca_subject}"),
        ("", "SHA-256 {ca_sha256}"),
        ("", "SHA-1   {ca_sha1}"),
        ("", "MD5     {ca_md5}"),
        ("", "certificate in {ca_file}"),
        ("keys", "{keys}"),
    )
    for name, text in lines:
        typer.echo(f"{name:<8} {text.format(**facts)}")
    if warning:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo("ready; Ctrl-C stops it")


def _show_event(event: ServerEvent) -> None:
    told = event.record()
    skipped = {"at", "kind", "peer", "operation", "status"}
    rest = " ".join(f"{name}={value}" for name, value in told.items() if name not in skipped)
    typer.echo(f"{event.at:%H:%M:%S} {event.peer:<15} {event.kind:<19} {rest}".rstrip())


def _show_trace(event: ServerEvent) -> None:
    _show_event(event)
    for trace in (event.trace_message(), event.trace_reply()):
        if trace is not None:
            typer.echo(str(trace))
