"""What every line of a device can do, whatever carries its bytes, and how one is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines.endpoint import Endpoint, parse_endpoint
from sceplab_devices.lines.serial_line import SerialLine
from sceplab_devices.lines.server import LineServer
from sceplab_devices.lines.ssh_line import SshLine
from sceplab_devices.lines.terminal_port import PseudoTerminal, RealPort

if TYPE_CHECKING:
    from sceplab_devices.device import Device


class Line(Protocol):
    """A line that can be connected to. Everything is called in the thread of one event loop.

    The order is `bind`, `serve`, any number of `swap`, `close`; `close` is allowed at any time.
    """

    @property
    def endpoint(self) -> Endpoint:
        """Where it is, with the port really taken once it is bound."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect; after `bind`."""

    async def bind(self) -> None:
        """Takes port, device file or name; nobody can connect yet.

        Raises:
            EndpointError: it cannot be had; the text says what to do.
        """

    async def serve(self, device: Device) -> None:
        """Lets clients connect to ``device``; after `bind`.

        Raises:
            EndpointError: another process was faster.
        """

    def swap(self, device: Device | None) -> None:
        """Puts another device behind the line, which was served before; ends its sessions.

        Network connections are closed. Serial lines stay as they are: a cable notices nothing, and
        the new device begins with its opening. Never call this out of a command handler.

        Args:
            device: the box after it started anew; ``None``: it is down, network connections are
                refused and what is typed on serial lines is lost.
        """

    async def close(self) -> None:
        """Stops listening and drops all sessions; returns when nothing of them is left."""


_MAKERS: dict[str, Callable[[Endpoint, Path | None], Line]] = {
    "tcp": lambda endpoint, _keys_dir: LineServer(endpoint),
    "telnet": lambda endpoint, _keys_dir: LineServer(endpoint),
    "ssh": SshLine,
    "rfc2217": lambda endpoint, _keys_dir: LineServer(endpoint),
    "pty": lambda endpoint, _keys_dir: SerialLine(
        endpoint, PseudoTerminal(endpoint), baud=endpoint.options.baud
    ),
    "serial": lambda endpoint, _keys_dir: SerialLine(endpoint, RealPort(endpoint), baud=0),
}


def make_line(endpoint: Endpoint | str, *, keys_dir: Path | None = None) -> Line:
    """The line for an endpoint; nothing is opened yet.

    Args:
        endpoint: or its text, for example ``telnet:127.0.0.1:0``.
        keys_dir: where SSH host keys are kept; many devices may share it. ``None``: a folder of
            the user's own.

    Raises:
        EndpointError: the text is not understood, or a library for this kind of line is missing.
    """
    if isinstance(endpoint, str):
        endpoint = parse_endpoint(endpoint)
    return _MAKERS[endpoint.kind](endpoint, keys_dir)


async def serve(device: Device, endpoint: Endpoint | str, *, keys_dir: Path | None = None) -> Line:
    """An open line of ``device``. Close it in the same loop.

    Raises:
        EndpointError: the text is not understood, or the line cannot be opened there.
    """
    line = make_line(endpoint, keys_dir=keys_dir)
    await line.bind()
    try:
        await line.serve(device)
    except EndpointError:
        await line.close()
        raise
    return line
