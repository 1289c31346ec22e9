"""What `sceplab ndes sign` and `ca-cert` do: files in, PEM out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_ndes.carried_request import check_template, sign_carried
from sceplab_ndes.cli_output import certificate_fields, print_json
from sceplab_ndes.errors import ConfigError, StateError
from sceplab_ndes.folder import StateFolder
from sceplab_ndes.service import open_depot, open_server, stored_config

STANDARD_INPUT = Path("-")
_MOST_BYTES = 1024 * 1024


def sign_file(
    folder: StateFolder,
    source: Path,
    *,
    template: str,
    out: Path | None,
    has_chain: bool,
    as_json: bool,
    clock: Callable[[], datetime],
    user: str,
) -> None:
    """Signs a request and writes the certificate.

    Args:
        folder: of the server.
        source: the request, PEM, base64 or DER; ``-`` is standard input.
        template: to be used; empty: the server's.
        out: file for the certificate; ``None``: standard output.
        has_chain: whether the CA certificates follow.
        as_json: print one JSON object.
        clock: current time, aware UTC.
        user: who does it.

    Raises:
        ConfigError: a file or the template is wrong; nothing was signed.
        RefusedError: the request is refused.
    """
    folder.require()
    content = _read(source)
    if out is not None:
        _check_place(out)
    with open_server(folder, stored_config(folder), clock=clock) as server:
        check_template(template, server.authority)
        record = sign_carried(server.depot, server.authority, content, clock(), user=user)
    certificate = x509.load_der_x509_certificate(record.certificate)
    authorities = authorities_of(folder, clock()) if has_chain else []
    text = _pem([certificate, *authorities])
    if out is not None:
        _write(out, text)
    if as_json:
        print_json({**certificate_fields(record), "certificate": text, "out": out and str(out)})
    elif out is None:
        sys.stdout.write(text)
    else:
        typer.echo(f"request {record.request_id} signed: certificate {record.serial} in {out}")


def show_authority(
    folder: StateFolder,
    *,
    out: Path | None,
    has_chain: bool,
    as_json: bool,
    clock: Callable[[], datetime],
) -> None:
    """Writes the certificate of the issuing CA.

    Args:
        folder: of the server.
        out: file for it; ``None``: standard output.
        has_chain: whether the certificates above it follow.
        as_json: print one JSON object, with fingerprints.
        clock: current time, aware UTC.

    Raises:
        ConfigError: the file cannot be written.
        StateError: no server was set up there.
    """
    if out is not None:
        _check_place(out)
    authorities = authorities_of(folder, clock())
    text = _pem(authorities if has_chain else authorities[:1])
    if out is not None:
        _write(out, text)
    if as_json:
        issuing = authorities[0]
        print_json(
            {
                "subject": issuing.subject.rfc4514_string(),
                "sha256": issuing.fingerprint(hashes.SHA256()).hex(),
                "sha1": issuing.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 - devices show it
                "certificate": text,
                "out": out and str(out),
            }
        )
    elif out is None:
        sys.stdout.write(text)
    else:
        typer.echo(f"certificate of {authorities[0].subject.rfc4514_string()} in {out}")


def authorities_of(folder: StateFolder, now: datetime) -> list[x509.Certificate]:
    """Certificate of the CA that issues now, then those above it; no key is needed.

    Raises:
        StateError: no server was set up there.
    """
    with open_depot(folder) as depot:
        kept = depot.certificates.authority(depot.rollovers.current(now))
    ders = [kept[role][1] for role in ("issuing", "root") if role in kept]
    if not ders:
        raise StateError(f"{folder.path}: no server was ever started there")
    return [x509.load_der_x509_certificate(der) for der in ders]


def _read(source: Path) -> bytes:
    try:
        if source == STANDARD_INPUT:
            content = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with source.open("rb") as file:
                content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(error.strerror or "cannot be read", source=str(source)) from error
    if len(content) > _MOST_BYTES:
        raise ConfigError("too long for a certificate request", source=str(source))
    return content


def _check_place(out: Path) -> None:
    """Looks before something is signed whether its certificate can be kept."""
    if out.is_dir() or not out.parent.is_dir():
        raise ConfigError("no such folder" if not out.is_dir() else "a folder", source=str(out))
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise ConfigError("cannot be written", source=str(out))


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="ascii")
    except OSError as error:
        raise ConfigError(error.strerror or "cannot be written", source=str(out)) from error


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode("ascii") for one in certificates)
