"""`sceplab inventory`: a rack in the words of the tools that drive it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  sceplab inventory -i rack.yaml --format ansible > inventory.yaml
  sceplab device serve -i rack.yaml --json > ready.json &
  sceplab inventory -i rack.yaml --format ssh-config --running ready.json > ssh_config"""
"""For the end of the help."""


def inventory(
    *,
    rack: Annotated[Path, typer.Option("--inventory", "-i", help="Rack file, YAML.")],
    form: Annotated[
        str, typer.Option("--format", help="ansible, nornir, netmiko, ssh-config or testbed.")
    ],
    running: Annotated[
        Path | None,
        typer.Option(
            help="What `sceplab device serve -i RACK --json` printed, for lines on port 0;"
            " - reads standard input."
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="This device and no others. Repeatable.")
    ] = None,
) -> None:
    """Print the devices of a rack as an inventory for another tool.

    No password is printed: Ansible and pyATS look it up in the environment, for the others the
    file says in which variable it is. Devices without a line that the tool can use are left out,
    and named on standard error.

    Exit codes: 0 printed; 2 a wrong option, rack file or ready object.
    """
    from sceplab_lab.device_service import report
    from sceplab_lab.inventory import inventory_hosts
    from sceplab_lab.inventory_formats import FORMATS, hosts_left_out
    from sceplab_lab.rack import load_rack

    if form not in FORMATS:
        raise typer.BadParameter(f"no format '{form}'; known: {', '.join(FORMATS)}")
    with report(command="sceplab inventory") as outcome:
        ready = ""
        if running is not None:
            ready = sys.stdin.read() if str(running) == "-" else running.read_text("utf-8")
        hosts = inventory_hosts(load_rack(rack).only(tuple(only or ())), ready)
        typer.echo(FORMATS[form](hosts), nl=False)
        left_out = hosts_left_out(form, hosts)
        if left_out:
            names = ", ".join(left_out)
            typer.echo(f"sceplab inventory: no line that {form} can use: {names}", err=True)
    raise typer.Exit(outcome.code)
