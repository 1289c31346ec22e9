"""`sceplab wire`: how an emulated device shows itself to its neighbours."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sceplab_agent.exit_codes import ExitCode

if TYPE_CHECKING:
    from sceplab_lab.wire.identity import PortIdentity
    from sceplab_lab.wire.packets import Frame


def wire(
    *,
    profile: Annotated[str, typer.Option(help="Platform; `sceplab device profiles` lists them.")],
    hostname: Annotated[str, typer.Option(help="Name of the device. Default: the profile's.")] = "",
    port: Annotated[
        str, typer.Option(help="Interface in full, GigabitEthernet0/1. Default: the profile's.")
    ] = "",
    address: Annotated[
        str, typer.Option(help="IPv4 address for management that is announced.")
    ] = "",
    identity: Annotated[
        str, typer.Option(help="EAP identity of the supplicant. Default: host/HOSTNAME.")
    ] = "",
    frame: Annotated[
        list[str] | None,
        typer.Option(
            help="lldp, cdp, eapol-start or eap-identity; may be repeated. Default: what the"
            " platform announces, and both of 802.1X."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Capture file (pcapng) to write. Needs no rights.")
    ] = None,
    interface: Annotated[
        str,
        typer.Option(
            help="Interface to send on, also in a network namespace of your own. Needs root or"
            " CAP_NET_RAW."
        ),
    ] = "",
    count: Annotated[int, typer.Option(min=0, help="Rounds to send; 0: until Ctrl-C.")] = 1,
    every: Annotated[
        float, typer.Option(min=0.1, help="Seconds from one round to the next.")
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was sent, as JSON.")] = False,
) -> None:
    """LLDP and CDP announcements and the start of 802.1X, to a file or on an interface.

    On an interface the port also answers each EAP-Request/Identity until the round is over.

    Examples:
        sceplab wire --profile cisco-ios --hostname R1 --out r1.pcapng
        sceplab wire --profile cisco-ios --frame lldp --interface veth0 --count 0

    Exit codes: 0 done, 2 an option or the interface is not usable, 130 interrupted.
    """
    from sceplab_devices.errors import DeviceError
    from sceplab_devices.profile import open_profile
    from sceplab_lab.errors import LabError
    from sceplab_lab.wire.identity import identity_of
    from sceplab_lab.wire.packets import build_frames, write_capture

    try:
        if bool(out) == bool(interface):
            raise ValueError("give either --out FILE or --interface NAME")
        opened = open_profile(profile)
        if hostname:
            opened.check_hostname(hostname)
        who = replace(identity_of(opened, hostname, port), eap_identity=identity)
        if address:
            who = replace(who, address=IPv4Address(address))
        frames = build_frames(who, frame or ())
        if out:
            write_capture(out, frames, datetime.now(UTC))
            _tell(frames, str(out), as_json=as_json)
        else:
            _send(who, frames, interface, count=count, every_s=every)
            _tell(frames, interface, as_json=as_json)
    except (AddressValueError, ValueError, DeviceError, LabError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or out}: {error.strerror}")


def _send(
    who: PortIdentity, frames: list[Frame], interface: str, *, count: int, every_s: float
) -> None:
    """Sends rounds; Ctrl-C ends them."""
    from sceplab_lab.wire.sender import WireSender

    sender = WireSender(interface)
    try:
        rounds = 0
        while True:
            sender.send(frames)
            rounds += 1
            if rounds == count:
                return
            sender.listen(who, every_s, is_over=lambda: False)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    finally:
        sender.close()


def _tell(frames: list[Frame], where: str, *, as_json: bool) -> None:
    if as_json:
        sent = [
            {"kind": frame.kind, "device": frame.sender, "octets": len(frame.data)}
            for frame in frames
        ]
        print(json.dumps({"where": where, "frames": sent}))
        return
    for frame in frames:
        print(f"{frame.kind:<13} {len(frame.data):>4} octets  {frame.sender}")
    print(f"to {where}")


def _fail(text: str) -> None:
    print(f"sceplab wire: {text}", file=sys.stderr)
    raise typer.Exit(ExitCode.CONFIGURATION)
