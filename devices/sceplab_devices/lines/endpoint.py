"""Where a line is: ``KIND:WHERE[?option=value&…]``, for example ``telnet:127.0.0.1:0``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines.options import LineOptions, parse_options

NETWORK_KINDS = ("tcp", "telnet", "ssh", "rfc2217")
"""Their place is HOST:PORT."""
SERIAL_KINDS = ("pty", "serial")
"""Their place is the path of a terminal device."""
KINDS = NETWORK_KINDS + SERIAL_KINDS

_FORM = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:]+):(?P<port>\d{1,5})", re.ASCII)
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place to listen, or a terminal device."""

    kind: str
    """One of `KINDS`."""
    host: str = ""
    """Of a network kind; IPv6 addresses without brackets."""
    port: int = 0
    """Of a network kind; 0: any free port."""
    path: str = ""
    """Of a serial kind."""
    options: LineOptions = field(default_factory=LineOptions)

    def __str__(self) -> str:
        where = self.path or f"{self.url_host}:{self.port}"
        return f"{self.kind}:{where}" + (f"?{self.options.text}" if self.options.text else "")

    @property
    def url_host(self) -> str:
        """The host as a URL has it."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def _reached_as(self) -> str:
        """The host for a client on this machine: nobody connects to the address of all."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def client_command(self) -> str:
        """What a person types in a shell to get on this line."""
        return self.command_for("")

    def command_for(self, user: str) -> str:
        """The same for somebody with a login name; only SSH uses it. Empty: the shell's own."""
        host = self._reached_as
        in_url = f"[{host}]" if ":" in host else host
        match self.kind:
            case "telnet":
                return f"telnet {host} {self.port}"
            case "ssh":
                who = f"{user}@{host}" if user else host
                return (
                    f"ssh -p {self.port} -o StrictHostKeyChecking=no"
                    f" -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR {who}"
                )
            case "rfc2217":
                url = f"rfc2217://{in_url}:{self.port}"
                return f"python -m serial.tools.miniterm --eol CR {url} {self.options.baud or 9600}"
            case "pty":
                return f"picocom -b {self.options.baud or 9600} {self.path}"
            case "serial":
                baud = self.options.baud or 9600
                return f"(a terminal at the other end of the cable, {baud} baud 8N1)"
        # Character by character and without local echo, as a serial terminal; Ctrl-] leaves.
        return f"socat -,rawer,escape=0x1d tcp:{in_url}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Reads an endpoint.

    Raises:
        EndpointError: another kind (the known ones are named), no place behind it, or an option
            that this kind does not have.
    """
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise EndpointError(text, f"unknown line kind {kind!r}; known: {', '.join(KINDS)}")
    where, _, option_text = rest.partition("?")
    try:
        options = parse_options(kind, option_text)
    except ValueError as error:
        raise EndpointError(text, str(error)) from error
    if kind in SERIAL_KINDS:
        if not where.startswith("/") or where.endswith("/") or "\0" in where:
            raise EndpointError(text, f"expected {kind}:/PATH, for example {_EXAMPLES[kind]}")
        return Endpoint(kind, path=where, options=options)
    found = _FORM.fullmatch(where)
    if found is None:
        raise EndpointError(text, f"expected {kind}:HOST:PORT")
    port = int(found["port"])
    if port > _LAST_PORT:
        raise EndpointError(text, f"port {port} is above {_LAST_PORT}")
    return Endpoint(kind, found["host"].strip("[]"), port, options=options)


_EXAMPLES = {"pty": "pty:/tmp/lab/ttyR1", "serial": "serial:/dev/ttyUSB0"}
