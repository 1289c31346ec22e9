"""`sceplab device`: serve an emulated device, list the profiles."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from sceplab_lab import cli_device_options as opt
from sceplab_lab.cli_replay import EXAMPLES as REPLAY_EXAMPLES
from sceplab_lab.cli_replay import replay

if TYPE_CHECKING:
    from sceplab_lab.device_service import DeviceService

_ITS_OPTION = {"consoles": "--console", "users": "--user", "options": "--option"}
"""Of fields of a service that are not called as their options."""
_ALSO_FOR_RACKS = {"state", "as_json"}

app = typer.Typer(
    help="Emulated network devices with a real enrollment behind their console.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


_SERVE_EXAMPLES = r"""
Examples:
  sceplab device serve --profile cisco-ios --console telnet:127.0.0.1:0
  sceplab device serve --profile cisco-ios --console tcp:127.0.0.1:2001 \
      --server http://127.0.0.1:8080/certsrv/mscep/mscep.dll --state ./r1
  sceplab device serve --profile cisco-ios --console telnet:127.0.0.1:2002 \
      --state ./r2 --keys 'pkcs11:token=r2?module-name=softhsm2' --keys-secret file:./pin
  sceplab device serve --profile cisco-ios --console ssh:127.0.0.1:2203 --option train=strict \
      --user admin=env:LAB_PASSWORD --enable-secret env:LAB_ENABLE
  sceplab device serve -i rack.yaml
  sceplab device serve -i rack.yaml --only r7 --json"""


@app.command(epilog="\b" + _SERVE_EXAMPLES)
def serve(
    *,
    profile: opt.Profile = "",
    console: opt.Console = None,
    inventory: opt.Inventory = None,
    only: opt.Only = None,
    server: opt.Server = "",
    hostname: opt.Hostname = "",
    state: opt.State = None,
    keys: opt.Keys = "",
    keys_secret: opt.KeysSecret = "",
    user: opt.User = None,
    enable_secret: opt.EnableSecret = "",
    option: opt.Setting = None,
    floor: opt.Floor = "",
    as_json: opt.JsonLine = False,
) -> None:
    """Run one device, or a rack of them, until Ctrl-C.

    Exit codes: 0 ended by Ctrl-C or a signal; 2 a wrong option or rack file, a taken port, a state
    folder in use; 6 a key store that does not open.
    """
    from sceplab_lab.device_service import DeviceService, run_device_service

    service = DeviceService(
        profile=profile,
        consoles=tuple(console or ()),
        server=server,
        hostname=hostname,
        state=state,
        keys=keys,
        keys_secret=keys_secret,
        users=tuple(user or ()),
        enable_secret=enable_secret,
        options=tuple(option or ()),
        floor=floor,
        as_json=as_json,
    )
    if inventory is not None:
        _serve_rack(inventory, service, only=only or [])
    _check_single(service, only or [])
    raise typer.Exit(run_device_service(service))


app.command(epilog=REPLAY_EXAMPLES)(replay)


def _serve_rack(rack: Path, service: DeviceService, *, only: list[str]) -> NoReturn:
    """The same for a rack; what is said of one device has no place there."""
    from sceplab_lab.rack_service import RackService, run_rack_service

    given = [
        _ITS_OPTION.get(field.name, "--" + field.name.replace("_", "-"))
        for field in fields(service)
        if field.name not in _ALSO_FOR_RACKS and getattr(service, field.name)
    ]
    if given:
        raise typer.BadParameter(f"the rack file says what {', '.join(given)} would")
    wanted = RackService(rack=rack, only=tuple(only), state=service.state, as_json=service.as_json)
    raise typer.Exit(run_rack_service(wanted))


def _check_single(service: DeviceService, only: list[str]) -> None:
    """Complains of options with which no device can be made."""
    for name, value in (("--profile", service.profile), ("--console", service.consoles)):
        if not value:
            raise typer.BadParameter(f"{name} is missing (or give a rack file with -i)")
    if only:
        raise typer.BadParameter("--only goes with -i")


@app.command()
def profiles(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the platforms that can be emulated."""
    from sceplab_devices.profile import known_profiles, open_profile

    rows = [{"name": name, "title": open_profile(name).title} for name in known_profiles()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['name']:<18}{row['title']}")
