"""What `sceplab ndes rollover` does, and how the CAs of a state folder are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sceplab_ndes.cli_output import print_json, print_table, show_time
from sceplab_ndes.depot import Depot
from sceplab_ndes.errors import ConfigError
from sceplab_ndes.folder import StateFolder
from sceplab_ndes.service import open_server, stored_config
from sceplab_ndes.validity import duration_of

DEFAULT_LEAD = "30d"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityView:
    """One CA of a server, for people and programs."""

    generation: int
    state: str
    """``current``, ``next``, ``earlier`` or ``ended``."""
    certificate: x509.Certificate
    switch_at: datetime | None
    """When it became or becomes the current one; ``None`` for the first."""

    def fields(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "generation": self.generation,
            "state": self.state,
            "subject": self.certificate.subject.rfc4514_string(),
            "sha256": self.certificate.fingerprint(hashes.SHA256()).hex(),
            "not_after": self.certificate.not_valid_after_utc.isoformat(),
            "switch_at": self.switch_at.isoformat() if self.switch_at else None,
        }


def roll_over(
    folder: StateFolder,
    *,
    at: str,
    in_: str,
    is_valid_before: bool,
    as_json: bool,
    clock: Callable[[], datetime],
    user: str,
) -> None:
    """Prepares the next CA of a folder, also while its server runs.

    Args:
        folder: of the server.
        at: moment of the switch, ISO 8601; without an offset it is UTC.
        in_: how long from now instead, such as ``30d``.
        is_valid_before: whether its certificates are valid from now on; else from the switch on.
        as_json: print one JSON object.
        clock: current time, aware UTC.
        user: who does it.

    Raises:
        ConfigError: no such moment.
        AlreadyDecidedError: a rollover is prepared already.
    """
    folder.require()
    now = clock()
    switch_at = _moment(at, in_, now)
    with open_server(folder, stored_config(folder), clock=clock) as server:
        offers = server.profile.capabilities.next_ca
        record = server.rollover(switch_at, now, user=user, is_valid_before=is_valid_before)
        views = authority_views(server.depot, now)
    made = next(view for view in views if view.generation == record.generation)
    if as_json:
        print_json({**made.fields(), "is_announced": offers})
        return
    typer.echo(
        f"CA {made.generation} prepared; it takes over {show_time(record.switch_at)} UTC\n"
        f"SHA-256 {made.fields()['sha256']}"
    )
    if offers:
        typer.echo("until then devices get it with GetNextCACert, signed by the current CA")
    else:
        typer.echo(
            f"profile {server.profile.name} has no GetNextCACert: devices learn of it by hand"
        )


def authority_views(depot: Depot, now: datetime) -> list[AuthorityView]:
    """The CAs of a depot, oldest first; no key is needed."""
    current = depot.rollovers.current(now)
    switches: dict[int, datetime | None] = {0: None}
    switches.update({record.generation: record.switch_at for record in depot.rollovers.all()})
    views = []
    for generation, switch_at in switches.items():
        kept = depot.certificates.authority(generation)
        if not kept:
            continue
        _, der = kept.get("issuing", kept["root"])
        certificate = x509.load_der_x509_certificate(der)
        state = "current" if generation == current else "earlier"
        if generation > current:
            state = "next"
        elif certificate.not_valid_after_utc < now:
            state = "ended"
        views.append(
            AuthorityView(
                generation=generation, state=state, certificate=certificate, switch_at=switch_at
            )
        )
    return views


def show_authorities(views: Sequence[AuthorityView]) -> None:
    """The CAs as a table."""
    print_table(
        "CAs",
        ("CA", "state", "subject", "not after (UTC)", "takes over (UTC)"),
        [
            (
                str(view.generation),
                view.state,
                view.certificate.subject.rfc4514_string(),
                show_time(view.certificate.not_valid_after_utc),
                show_time(view.switch_at) if view.switch_at else "",
            )
            for view in views
        ],
    )


def _moment(at: str, in_: str, now: datetime) -> datetime:
    if at and in_:
        raise ConfigError("give --at or --in, not both", source="--at")
    if not at:
        return now + duration_of(in_ or DEFAULT_LEAD, source="--in")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise ConfigError(
            f"'{at}' is no moment; write 2027-03-01 or 2027-03-01T06:00", source="--at"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
