"""`sceplab ndes`: serve the emulated NDES and run its CA. Thin: parse, call, show."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sceplab_ndes import cli_options as opt

app = typer.Typer(
    help="An NDES-like SCEP server with its own CA.",
    epilog="Exit codes: 0 done · 1 failed · 2 configuration or state folder · 4 not found, decided "
    "already or refused · 5 network · 6 key store",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _now() -> datetime:
    return datetime.now(UTC)


def _examples(*lines: str) -> str:
    """An epilog that keeps its line breaks."""
    return "\b\nExamples:\n" + "\n".join(f"  sceplab ndes {line}" for line in lines)


@app.command(
    epilog=_examples(
        "serve",
        "serve --state ./lab --port 8080 --approval manual",
        "serve --profile ndes --challenge one-time --trace",
        "serve --challenge none --validity 4m",
        "serve --state ./lab --ra-key-bits 4096"
        " --keys 'pkcs11:token=ra?module-name=softhsm2' --keys-secret file:./pin",
    )
)
def serve(
    *,
    state: opt.State = opt.DEFAULT_STATE,
    config: opt.Config = None,
    host: opt.Host = None,
    port: opt.Port = None,
    profile: opt.Profile = None,
    floor: opt.Floor = None,
    approval: opt.Approval = None,
    challenge: opt.Challenge = None,
    validity: opt.Validity = None,
    ra_key_bits: opt.RaKeyBits = None,
    keys: opt.Keys = None,
    keys_secret: opt.KeysSecret = None,
    trace: opt.Trace = False,
    quiet: opt.Quiet = False,
    log: opt.Log = None,
    as_json: opt.JsonLine = False,
) -> None:
    """Run the server until Ctrl-C. The folder ./ndes-state is made unless --state names another."""
    from sceplab_ndes import cli_configuration as made
    from sceplab_ndes.cli_output import report_errors
    from sceplab_ndes.cli_serve import ServeView, serve_folder
    from sceplab_ndes.folder import StateFolder

    with report_errors(as_json=as_json):
        changes = {
            "host": host,
            "port": port,
            "profile": profile,
            "floor": floor,
            "settings.template.approval": approval,
            "settings.challenge.mode": challenge,
            **made.validity_changes(validity),
            "ca.ra_algorithm": made.ra_algorithm(ra_key_bits),
            "keys.uri": keys and made.absolute_uri(keys),
            "keys.passphrase": keys_secret and made.absolute_reference(keys_secret),
        }
        serve_folder(
            StateFolder(state),
            made.merged_configuration(config, changes),
            ServeView(as_json=as_json, is_quiet=quiet, traces=trace, log=log),
            clock=_now,
        )


@app.command(
    epilog=_examples(
        "otp",
        "otp --count 3 --json",
        "otp --url https://ndes.example.test/certsrv/mscep_admin/ --password prompt:",
    )
)
def otp(
    *,
    state: opt.State = opt.DEFAULT_STATE,
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    url: Annotated[str, typer.Option(help="Fetch over HTTP from this admin page instead.")] = "",
    user: Annotated[str, typer.Option(help="User name at the admin page.")] = "admin",
    password: Annotated[
        str, typer.Option(help="Reference to that user's password: env:NAME, file:PATH, prompt:")
    ] = "",
    no_ssl: Annotated[
        bool, typer.Option("--no-ssl", help="Plain HTTP to other machines, too.")
    ] = False,
    as_json: opt.Json = False,
) -> None:
    """Print a challenge password, from the state folder or from an admin page."""
    from sceplab_ndes.cli_otp import passwords_from_folder, passwords_from_page
    from sceplab_ndes.cli_output import print_json, report_errors
    from sceplab_ndes.folder import StateFolder

    folder = StateFolder(state)
    with report_errors(as_json=as_json):
        if url:
            passwords = passwords_from_page(
                folder, url, user=user, reference=password, count=count, allow_plain=no_ssl
            )
        else:
            passwords = passwords_from_folder(folder, count=count, now=_now())
        for one in passwords:
            if as_json:
                print_json({"challenge_password": one.reveal()})
            else:
                typer.echo(one.reveal())


@app.command(epilog=_examples("pending", "pending --state ./lab --json"))
def pending(*, state: opt.State = opt.DEFAULT_STATE, as_json: opt.Json = False) -> None:
    """List the requests that wait for approval."""
    from sceplab_ndes.cli_output import report_errors, show_pending
    from sceplab_ndes.depot import RequestState
    from sceplab_ndes.folder import StateFolder
    from sceplab_ndes.service import open_depot

    with report_errors(as_json=as_json), open_depot(StateFolder(state)) as depot:
        records = depot.requests.in_state(RequestState.PENDING)
        show_pending(records, as_json=as_json)
        if records and not as_json:
            typer.echo(f"next: sceplab ndes approve {records[0].request_id} --state {state}")


@app.command(epilog=_examples("approve 3", "approve 3 --state ./lab"))
def approve(
    request_id: Annotated[int, typer.Argument(help="Number of the request.")],
    *,
    state: opt.State = opt.DEFAULT_STATE,
    as_json: opt.Json = False,
) -> None:
    """Issue the certificate of a pending request; the device gets it at its next poll."""
    from sceplab_ndes.cli_output import certificate_fields, print_json, report_errors
    from sceplab_ndes.folder import StateFolder
    from sceplab_ndes.service import open_server, stored_config

    folder = StateFolder(state)
    with (
        report_errors(as_json=as_json),
        open_server(folder, stored_config(folder), clock=_now) as server,
    ):
        record = server.administration.approve(request_id, _now(), user=_user())
        if as_json:
            print_json(certificate_fields(record))
        else:
            typer.echo(f"request {request_id} approved: certificate {record.serial}")
            typer.echo("the device gets it at its next poll, if it still asks")


@app.command(epilog=_examples("deny 3"))
def deny(
    request_id: Annotated[int, typer.Argument(help="Number of the request.")],
    *,
    state: opt.State = opt.DEFAULT_STATE,
    as_json: opt.Json = False,
) -> None:
    """Refuse a pending request; the device is told at its next poll."""
    from sceplab_ndes.administration import deny_request
    from sceplab_ndes.cli_output import print_json, report_errors
    from sceplab_ndes.folder import StateFolder
    from sceplab_ndes.service import open_depot

    with report_errors(as_json=as_json), open_depot(StateFolder(state)) as depot:
        deny_request(depot, request_id, _now(), user=_user())
        if as_json:
            print_json({"request_id": request_id, "state": "denied"})
        else:
            typer.echo(f"request {request_id} denied")


@app.command(name="list", epilog=_examples("list", "list --json"))
def list_all(*, state: opt.State = opt.DEFAULT_STATE, as_json: opt.Json = False) -> None:
    """List CAs, certificates and requests."""
    from sceplab_ndes.cli_output import report_errors, show_all
    from sceplab_ndes.cli_rollover import authority_views, show_authorities
    from sceplab_ndes.folder import StateFolder
    from sceplab_ndes.service import open_depot

    with report_errors(as_json=as_json), open_depot(StateFolder(state)) as depot:
        authorities = authority_views(depot, _now())
        if not as_json:
            show_authorities(authorities)
        show_all(
            depot.certificates.all(),
            depot.requests.in_state(),
            authorities=[view.fields() for view in authorities],
            as_json=as_json,
        )


@app.command(
    epilog=_examples("rollover --in 30d", "rollover --at 2027-03-01T06:00 --state ./lab --json")
)
def rollover(
    *,
    at: Annotated[str, typer.Option("--at", help="When the next CA takes over, UTC.")] = "",
    in_: Annotated[
        str, typer.Option("--in", help="How long from now: 10m, 36h or 30d. Default: 30d.")
    ] = "",
    from_switch: Annotated[
        bool, typer.Option("--from-switch", help="Its certificates are valid from then on only.")
    ] = False,
    state: opt.State = opt.DEFAULT_STATE,
    as_json: opt.Json = False,
) -> None:
    """Prepare the next CA; a running server announces it and switches at the moment."""
    from sceplab_ndes.cli_output import report_errors
    from sceplab_ndes.cli_rollover import roll_over
    from sceplab_ndes.folder import StateFolder

    with report_errors(as_json=as_json):
        roll_over(
            StateFolder(state),
            at=at,
            in_=in_,
            is_valid_before=not from_switch,
            as_json=as_json,
            clock=_now,
            user=_user(),
        )


@app.command(
    epilog=_examples(
        "sign router.csr",
        "sign - --template IPSECIntermediateOffline --chain --out router.pem < router.csr",
    )
)
def sign(
    csr: Annotated[Path, typer.Argument(help="Request, PEM or DER; - reads standard input.")],
    *,
    template: Annotated[
        str, typer.Option(help="Template of the certificate. Default: the server's.")
    ] = "",
    out: opt.Out = None,
    chain: opt.Chain = False,
    state: opt.State = opt.DEFAULT_STATE,
    as_json: opt.Json = False,
) -> None:
    """Sign a request that was brought by hand, also while the server runs."""
    from sceplab_ndes.cli_output import report_errors
    from sceplab_ndes.cli_sign import sign_file
    from sceplab_ndes.folder import StateFolder

    with report_errors(as_json=as_json):
        sign_file(
            StateFolder(state),
            csr,
            template=template,
            out=out,
            has_chain=chain,
            as_json=as_json,
            clock=_now,
            user=_user(),
        )


@app.command(epilog=_examples("ca-cert", "ca-cert --chain --out ca.pem"))
def ca_cert(
    *,
    out: opt.Out = None,
    chain: opt.Chain = False,
    state: opt.State = opt.DEFAULT_STATE,
    as_json: opt.Json = False,
) -> None:
    """Print the certificate of the issuing CA, to paste into a device."""
    from sceplab_ndes.cli_output import report_errors
    from sceplab_ndes.cli_sign import show_authority
    from sceplab_ndes.folder import StateFolder

    with report_errors(as_json=as_json):
        show_authority(StateFolder(state), out=out, has_chain=chain, as_json=as_json, clock=_now)


@app.command(epilog=_examples("revoke 4a3f00000012d9 --reason keyCompromise"))
def revoke(
    serial: Annotated[str, typer.Argument(help="Serial number, hex, or its first digits.")],
    *,
    reason: Annotated[
        str, typer.Option(help="Reason as RFC 5280 spells it, such as keyCompromise.")
    ] = "unspecified",
    state: opt.State = opt.DEFAULT_STATE,
    as_json: opt.Json = False,
) -> None:
    """Revoke a certificate and publish a new revocation list."""
    from sceplab_ndes.cli_output import certificate_fields, print_json, report_errors
    from sceplab_ndes.folder import StateFolder
    from sceplab_ndes.service import open_server, stored_config

    folder = StateFolder(state)
    with (
        report_errors(as_json=as_json),
        open_server(folder, stored_config(folder), clock=_now) as server,
    ):
        record = server.administration.revoke(serial, _now(), reason=reason, user=_user())
        crl_path = folder.path / server.authority.crl_file_name
        if as_json:
            print_json({**certificate_fields(record), "crl": str(crl_path)})
        else:
            typer.echo(f"certificate {record.serial} revoked ({reason}); new list: {crl_path}")


def _user() -> str:
    """Who runs the command, for the audit trail."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
