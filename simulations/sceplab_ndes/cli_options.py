"""Options of `sceplab ndes`, as `--help` explains them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_STATE = Path("ndes-state")

State = Annotated[Path, typer.Option("--state", help="State folder: depot, keys, published files.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[Path | None, typer.Option("--out", help="File to write. Default: standard output.")]
Chain = Annotated[bool, typer.Option("--chain", help="Append the certificates of the CAs above.")]
Config = Annotated[Path | None, typer.Option(help="Configuration file, TOML.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")]
Profile = Annotated[str | None, typer.Option(help="Server to imitate: compat, rfc8894 or ndes.")]
Floor = Annotated[
    str | None, typer.Option(help="Weakest algorithms accepted: modern, ndes or lab.")
]
Approval = Annotated[str | None, typer.Option(help="First enrollments: auto or manual.")]
Challenge = Annotated[
    str | None, typer.Option(help="Challenge passwords: one-time, static or none.")
]
Validity = Annotated[
    str | None,
    typer.Option(help="Lifetime of new certificates: 10m, 36h or 30d. Default: 365d."),
]
RaKeyBits = Annotated[
    int | None,
    typer.Option(help="Length of a new state's RA keys: 2048, 3072 or 4096. Default: 2048."),
]
Keys = Annotated[
    str | None,
    typer.Option(
        help="URI of the key store of CA and RA, for example"
        " pkcs11:token=ra?module-name=softhsm2. Default: a software store in the state folder."
    ),
]
KeysSecret = Annotated[
    str | None,
    typer.Option(
        help="Its passphrase or PIN: env:NAME, file:PATH or prompt:. Default: it is asked for."
    ),
]
Trace = Annotated[bool, typer.Option("--trace", help="Show every message decoded.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No line for each event.")]
Log = Annotated[Path | None, typer.Option(help="Append events as JSON lines.")]
JsonLine = Annotated[
    bool, typer.Option("--json", help="Print one JSON object when ready, nothing else.")
]
