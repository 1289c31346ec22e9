"""Options of `sceplab wire`, as `--help` explains them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Profile = Annotated[str, typer.Option(help="Platform; `sceplab device profiles` lists them.")]
Hostname = Annotated[str, typer.Option(help="Name of the device. Default: the profile's.")]
Port = Annotated[
    str, typer.Option(help="Interface in full, GigabitEthernet0/1. Default: the profile's.")
]
Address = Annotated[str, typer.Option(help="IPv4 address for management that is announced.")]
Identity = Annotated[
    str, typer.Option(help="EAP identity of the supplicant. Default: host/HOSTNAME.")
]
Frame = Annotated[
    list[str] | None,
    typer.Option(
        help="lldp, cdp, eapol-start or eap-identity; may be repeated. Default: what the"
        " platform announces, and both of 802.1X."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Capture file (pcapng) to write. Needs no rights.")]
Interface = Annotated[
    str,
    typer.Option(
        help="Interface to send on, also in a network namespace of your own. Needs root or"
        " CAP_NET_RAW."
    ),
]
Count = Annotated[int, typer.Option(min=0, help="Rounds to send; 0: until Ctrl-C.")]
Every = Annotated[float, typer.Option(min=0.1, help="Seconds from one round to the next.")]
Json = Annotated[bool, typer.Option("--json", help="Print what was sent, as JSON.")]
