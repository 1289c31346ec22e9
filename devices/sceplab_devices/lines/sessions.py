"""Which session a new caller gets: its number on the device, its faults, its speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sceplab_devices.lines.faults import LineFaults
from sceplab_devices.lines.link import Link
from sceplab_devices.session import LineInfo

if TYPE_CHECKING:
    from sceplab_devices.console import Console
    from sceplab_devices.device import Device
    from sceplab_devices.lines.options import LineOptions
    from sceplab_devices.lines.wire import LineCodec, Wire

SESSION_KINDS = {
    "tcp": "console", "rfc2217": "console", "pty": "console", "serial": "console",
    "telnet": "vty", "ssh": "vty",
}  # fmt: skip
"""Kind of session behind each kind of endpoint."""
_NAMES = {"console": "con", "vty": "vty"}


class Sessions:
    """Opens the sessions of one line.

    Args:
        kind: of the endpoint.
        options: of the endpoint.
    """

    def __init__(self, kind: str, options: LineOptions) -> None:
        self._kind = SESSION_KINDS[kind]
        self._options = options
        self._faults = LineFaults(options.faults)

    def open(
        self,
        device: Device,
        wire: Wire,
        *,
        peer: str = "",
        user: str = "",
        baud: int = 0,
        make_codec: Callable[[Console], LineCodec] | None = None,
    ) -> Link | None:
        """A link whose console is not opened yet; ``None``: the device has no line free.

        Args:
            device: the box.
            wire: what carries the bytes.
            peer: address of the other side.
            user: who the line itself has let in.
            baud: speed; 0: not paced.
            make_codec: wraps the bytes; without: they go as they are.
        """
        number = self._free_number(device)
        if number >= device.profile.lines[self._kind].count:
            return None
        name = f"{_NAMES[self._kind]}{number}"
        line = LineInfo(name=name, kind=self._kind, number=number, peer=peer)
        more = device.profile.shell.more.encode("ascii", errors="replace")
        link = Link(
            device,
            line,
            wire,
            make_codec=make_codec,
            faults=self._faults.new_session(more),
            user=user,
        )
        link.pace(baud=baud, delay_s=self._options.faults.echo)
        return link

    def _free_number(self, device: Device) -> int:
        """Lowest number of this kind that no session on any line of the device has."""
        sessions = [console.session.line for console in device.consoles]
        taken = {line.number for line in sessions if line.kind == self._kind}
        return min(set(range(len(taken) + 1)) - taken)
