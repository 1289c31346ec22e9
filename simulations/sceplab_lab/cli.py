"""`sceplab`: one command line for demo, server, devices and agent.

Each command imports what it needs when it runs, so that help comes at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sceplab_lab.cli_device import app as device_app
from sceplab_lab.cli_inventory import EXAMPLES as INVENTORY_EXAMPLES
from sceplab_lab.cli_inventory import inventory
from sceplab_lab.cli_wire import EXAMPLES as WIRE_EXAMPLES
from sceplab_lab.cli_wire import wire
from sceplab_ndes.cli import app as ndes_app

app = typer.Typer(
    help="Network-device emulator and SCEP agent, with an NDES-like server as the counterpart.",
    epilog="Exit codes: 0 done · 1 failed · 2 configuration · 3 trust · 4 rejected · 5 transport"
    " · 6 key store · 7 waits for an approval · 8 disk full or read-only · 130 interrupted",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(ndes_app, name="ndes")
app.add_typer(device_app, name="device")
app.command(epilog=INVENTORY_EXAMPLES)(inventory)
app.command(epilog=WIRE_EXAMPLES)(wire)


@app.command(
    epilog="\b\nExamples:\n  sceplab demo\n  sceplab demo --keep\n"
    "  sceplab demo --seed 7 > transcript.txt"
)
def demo(
    *,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Make two runs print the same transcript (ports and key-derived values apart)."
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave server and router running; Ctrl-C ends them.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="No visible typing, even on a terminal.")
    ] = False,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            help="Where keys, journal and depot go; kept afterwards. Default: a temporary folder.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only the summary, as JSON.")
    ] = False,
) -> None:
    """A router gets a certificate from an NDES, waits for approval, and renews it a year later."""
    from sceplab_lab.demo import DemoOptions, run_demo

    raise typer.Exit(
        run_demo(DemoOptions(seed=seed, keep=keep, fast=fast, directory=directory, as_json=as_json))
    )


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def agent(context: typer.Context) -> None:
    """The enrollment agent: check, enroll, run, status, renew, audit (also: sceplab-agent)."""
    # Stands here for `sceplab --help`; __main__ takes the short way before Typer is imported.
    from sceplab_agent.cli import main as agent_main

    raise typer.Exit(agent_main(context.args))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def hsm(context: typer.Context) -> None:
    """Key stores: list, generate, show, delete, probe, bench, audit (also: sceplab-hsm)."""
    from sceplab_lab.__main__ import run_hsm

    raise typer.Exit(run_hsm(context.args))


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed_version

    typer.echo(installed_version("sceplab"))
