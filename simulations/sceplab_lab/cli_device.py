"""`sceplab device`: serve an emulated device, list the profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from sceplab_lab.cli_replay import replay

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
    profile: Annotated[
        str, typer.Option(help="Platform; `sceplab device profiles` lists them.")
    ] = "",
    console: Annotated[
        list[str] | None,
        typer.Option(
            help="A line to reach it by: telnet, tcp, ssh or rfc2217:HOST:PORT (0: any free), pty"
            " or serial:/PATH. Repeatable."
        ),
    ] = None,
    inventory: Annotated[
        Path | None,
        typer.Option(
            "--inventory",
            "-i",
            help="Rack file (YAML): run all its devices instead of one. Goes with --only, --state"
            " and --json only; the file says all else.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="With -i: run this device of the rack and no others. Repeatable."),
    ] = None,
    server: Annotated[
        str,
        typer.Option(
            help="Enrollment URL; trustpoint LAB of a device without saved configuration points"
            " there."
        ),
    ] = "",
    hostname: Annotated[str, typer.Option(help="Name of the device. Default: the profile's.")] = "",
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder for keys, journals, certificates and the saved configuration; a device"
            " started again there goes on. Default: a temporary one, or the rack file's."
        ),
    ] = None,
    keys: Annotated[
        str,
        typer.Option(
            help="URI of a key store, for example pkcs11:token=r1?module-name=softhsm2. One store"
            " for each device. Default: a software store in the state folder."
        ),
    ] = "",
    keys_secret: Annotated[
        str,
        typer.Option(
            help="Its passphrase or PIN: env:NAME, file:PATH or prompt:. Default: it is asked for."
        ),
    ] = "",
    user: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=REFERENCE of somebody who may log in, with env:NAME, file:PATH or prompt: as"
            " the reference to the password. Repeatable."
        ),
    ] = None,
    enable_secret: Annotated[
        str, typer.Option(help="Reference to the password that enable asks for.")
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUE, a setting of the profile; a wrong key names the right ones."
            " Repeatable."
        ),
    ] = None,
    floor: Annotated[
        str,
        typer.Option(
            help="Weakest algorithms the device accepts: modern, ndes or lab. Default: ndes."
        ),
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Say where it listens as one JSON line.")
    ] = False,
) -> None:
    """Run one device, or a rack of them, until Ctrl-C.

    Exit codes: 0 ended by Ctrl-C or a signal; 2 a wrong option or rack file, a taken port, a state
    folder in use; 6 a key store that does not open.
    """
    single: dict[str, object] = {
        "--profile": profile,
        "--console": console,
        "--server": server,
        "--hostname": hostname,
        "--keys": keys,
        "--keys-secret": keys_secret,
        "--user": user,
        "--enable-secret": enable_secret,
        "--option": option,
        "--floor": floor,
    }
    if inventory is not None:
        _serve_rack(inventory, single, only=only or [], state=state, as_json=as_json)
    for name in ("--profile", "--console"):
        if not single[name]:
            raise typer.BadParameter(f"{name} is missing (or give a rack file with -i)")
    if only:
        raise typer.BadParameter("--only goes with -i")
    from sceplab_lab.device_service import DeviceService, run_device_service

    raise typer.Exit(
        run_device_service(
            DeviceService(
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
                floor=floor or "ndes",
                as_json=as_json,
            )
        )
    )


app.command()(replay)


def _serve_rack(
    rack: Path, single: dict[str, object], *, only: list[str], state: Path | None, as_json: bool
) -> NoReturn:
    """The same for a rack; what is said of one device has no place there."""
    from sceplab_lab.rack_service import RackService, run_rack_service

    given = [name for name, value in single.items() if value]
    if given:
        raise typer.BadParameter(f"the rack file says what {', '.join(given)} would")
    raise typer.Exit(
        run_rack_service(RackService(rack=rack, only=tuple(only), state=state, as_json=as_json))
    )


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
