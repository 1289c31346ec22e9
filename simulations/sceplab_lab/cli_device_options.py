"""Options of `sceplab device serve`, as `--help` explains them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Profile = Annotated[str, typer.Option(help="Platform; `sceplab device profiles` lists them.")]
Console = Annotated[
    list[str] | None,
    typer.Option(
        help="A line to reach it by: telnet, tcp, ssh or rfc2217:HOST:PORT (0: any free), pty"
        " or serial:/PATH. Repeatable."
    ),
]
Inventory = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        help="Rack file (YAML): run all its devices instead of one. Goes with --only, --state"
        " and --json only; the file says all else.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(help="With -i: run this device of the rack and no others. Repeatable."),
]
Server = Annotated[
    str,
    typer.Option(
        help="Enrollment URL; trustpoint LAB of a device without saved configuration points there."
    ),
]
Hostname = Annotated[str, typer.Option(help="Name of the device. Default: the profile's.")]
State = Annotated[
    Path | None,
    typer.Option(
        help="Folder for keys, journals, certificates and the saved configuration; a device"
        " started again there goes on. Default: a temporary one, or the rack file's."
    ),
]
Keys = Annotated[
    str,
    typer.Option(
        help="URI of a key store, for example pkcs11:token=r1?module-name=softhsm2. One store"
        " for each device. Default: a software store in the state folder."
    ),
]
KeysSecret = Annotated[
    str,
    typer.Option(
        help="Its passphrase or PIN: env:NAME, file:PATH or prompt:. Default: it is asked for."
    ),
]
User = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=REFERENCE of somebody who may log in, with env:NAME, file:PATH or prompt: as"
        " the reference to the password. Repeatable."
    ),
]
EnableSecret = Annotated[str, typer.Option(help="Reference to the password that enable asks for.")]
Setting = Annotated[
    list[str] | None,
    typer.Option(
        help="KEY=VALUE, a setting of the profile; a wrong key names the right ones. Repeatable."
    ),
]
Floor = Annotated[
    str,
    typer.Option(help="Weakest algorithms the device accepts: modern, ndes or lab. Default: ndes."),
]
JsonLine = Annotated[bool, typer.Option("--json", help="Say where it listens as one JSON line.")]
