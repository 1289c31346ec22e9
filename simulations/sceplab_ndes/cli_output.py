"""How the commands of `sceplab ndes` show things: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import typer

from sceplab_hsm.errors import KeyStoreError
from sceplab_ndes.admin_client import AdminPageError
from sceplab_ndes.depot import CertificateRecord, RequestRecord
from sceplab_ndes.errors import (
    AlreadyDecidedError,
    AmbiguousSerialError,
    CertificateNotFoundError,
    NdesError,
    PasswordCacheFullError,
    RefusedError,
    RequestNotFoundError,
)

FAILED, CONFIGURATION, REJECTED, TRANSPORT, KEY_STORE = 1, 2, 4, 5, 6

_REJECTED = (
    AlreadyDecidedError,
    AmbiguousSerialError,
    CertificateNotFoundError,
    PasswordCacheFullError,
    RefusedError,
    RequestNotFoundError,
)


@contextmanager
def report_errors(*, as_json: bool) -> Iterator[None]:
    """Turns errors into one line on standard error (or one JSON object) and an exit code."""
    try:
        yield
    except NdesError as error:
        code = CONFIGURATION
        if isinstance(error, _REJECTED):
            code = REJECTED
        elif isinstance(error, AdminPageError):
            code = TRANSPORT
        _fail(str(error), code, as_json=as_json)
    except KeyStoreError as error:
        _fail(str(error), KEY_STORE, as_json=as_json)
    except OSError as error:
        _fail(error.strerror or str(error), TRANSPORT, as_json=as_json)


def _fail(text: str, code: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"error": text, "exit_code": code})
    else:
        typer.echo(f"error: {text}", err=True)
    raise typer.Exit(code)


def print_json(value: object) -> None:
    """One JSON value on a line."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table, or a word that there is nothing."""
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo(f"{title}: none")
        return
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(columns):
        # The first column is what people copy into the next command: it stays whole.
        table.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def show_pending(records: Sequence[RequestRecord], *, as_json: bool) -> None:
    """Requests that wait."""
    if as_json:
        print_json([request_fields(record) for record in records])
        return
    rows = [
        (str(r.request_id), show_time(r.received_at), r.subject, r.transaction_id) for r in records
    ]
    print_table("Pending requests", ("ID", "received (UTC)", "subject", "transactionID"), rows)


def show_all(
    certificates: Sequence[CertificateRecord],
    requests: Sequence[RequestRecord],
    *,
    authorities: Sequence[dict[str, object]],
    as_json: bool,
) -> None:
    """Everything the CA has done.

    Args:
        certificates: issued ones.
        requests: of any state.
        authorities: the CAs; people see them in a table of their own.
        as_json: print one JSON object.
    """
    if as_json:
        print_json(
            {
                "authorities": list(authorities),
                "certificates": [certificate_fields(record) for record in certificates],
                "requests": [request_fields(record) for record in requests],
            }
        )
        return
    print_table(
        "Certificates",
        ("serial", "subject", "not after (UTC)", "revoked"),
        [
            (c.serial, c.subject, show_time(c.not_after), c.revocation_reason or "")
            for c in certificates
        ],
    )
    print_table(
        "Requests",
        ("ID", "state", "kind", "subject", "transactionID", "cause"),
        [
            (str(r.request_id), r.state.value, r.kind, r.subject, r.transaction_id, r.cause or "")
            for r in requests
        ],
    )


def request_fields(record: RequestRecord) -> dict[str, object]:
    """A request as JSON has it."""
    return {
        "request_id": record.request_id,
        "state": record.state.value,
        "kind": record.kind,
        "subject": record.subject,
        "transaction_id": record.transaction_id,
        "serial": record.serial,
        "cause": record.cause,
        "received_at": record.received_at.isoformat(),
        "decided_at": record.decided_at.isoformat() if record.decided_at else None,
    }


def certificate_fields(record: CertificateRecord) -> dict[str, object]:
    """A certificate as JSON has it."""
    return {
        "serial": record.serial,
        "request_id": record.request_id,
        "subject": record.subject,
        "issued_at": record.issued_at.isoformat(),
        "not_after": record.not_after.isoformat(),
        "revoked_at": record.revoked_at.isoformat() if record.revoked_at else None,
        "revocation_reason": record.revocation_reason,
    }


def show_time(moment: datetime) -> str:
    """A moment for people, UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"
