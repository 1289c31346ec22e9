"""`sceplab wire`: how an emulated device shows itself to its neighbours."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING

import typer

from sceplab_agent.exit_codes import ExitCode
from sceplab_lab import cli_wire_options as opt

if TYPE_CHECKING:
    from sceplab_lab.wire.identity import PortIdentity
    from sceplab_lab.wire.packets import Frame

EXAMPLES = """\b
Examples:
  sceplab wire --profile cisco-ios --hostname R1 --out r1.pcapng
  sceplab wire --profile cisco-ios --frame lldp --interface veth0 --count 0"""
"""What `--help` ends with."""


def wire(
    *,
    profile: opt.Profile,
    hostname: opt.Hostname = "",
    port: opt.Port = "",
    address: opt.Address = "",
    identity: opt.Identity = "",
    frame: opt.Frame = None,
    out: opt.Out = None,
    interface: opt.Interface = "",
    count: opt.Count = 1,
    every: opt.Every = 30.0,
    as_json: opt.Json = False,
) -> None:
    """LLDP and CDP announcements and the start of 802.1X, to a file or on an interface.

    On an interface the port also answers each EAP-Request/Identity until the round is over.

    Exit codes: 0 done, 2 an option or the interface is not usable, 130 interrupted.
    """
    from sceplab_devices.errors import DeviceError
    from sceplab_lab.errors import LabError
    from sceplab_lab.wire.packets import build_frames, write_capture

    try:
        if bool(out) == bool(interface):
            raise ValueError("give either --out FILE or --interface NAME")
        who = _identity(profile, hostname, port, address=address, eap_identity=identity)
        frames = build_frames(who, frame or ())
        if out:
            write_capture(out, frames, datetime.now(UTC))
        else:
            _send(who, frames, interface, count=count, every_s=every)
        _tell(frames, str(out or interface), as_json=as_json)
    except (AddressValueError, ValueError, DeviceError, LabError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or out}: {error.strerror}")


def _identity(
    profile: str, hostname: str, port: str, *, address: str, eap_identity: str
) -> PortIdentity:
    """Who announces itself; what is empty is the profile's.

    Raises:
        DeviceError: profile, name or port is none.
        ValueError: the address is none.
    """
    from sceplab_devices.profile import open_profile
    from sceplab_lab.wire.identity import identity_of

    opened = open_profile(profile)
    if hostname:
        opened.check_hostname(hostname)
    who = replace(identity_of(opened, hostname, port), eap_identity=eap_identity)
    return replace(who, address=IPv4Address(address)) if address else who


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
