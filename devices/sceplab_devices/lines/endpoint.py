"""Where a line is: ``KIND:HOST:PORT``, for example ``telnet:127.0.0.1:0`` or ``tcp:[::1]:2001``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sceplab_devices.errors import EndpointError

KINDS = ("tcp", "telnet")

_FORM = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:]+):(?P<port>\d{1,5})", re.ASCII)
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place to listen."""

    kind: str
    """One of `KINDS`."""
    host: str
    port: int
    """0: any free port."""

    def __str__(self) -> str:
        return f"{self.kind}:{self._url_host}:{self.port}"

    @property
    def _url_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def client_command(self) -> str:
        """What a person types in a shell to get on this line."""
        if self.kind == "telnet":
            return f"telnet {self.host} {self.port}"
        # Character by character and without local echo, as a serial terminal; Ctrl-] leaves.
        return f"socat -,rawer,escape=0x1d tcp:{self._url_host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Reads an endpoint.

    Raises:
        EndpointError: another kind (the known ones are named), or no host and port behind it.
    """
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise EndpointError(text, f"unknown line kind {kind!r}; known: {', '.join(KINDS)}")
    found = _FORM.fullmatch(rest)
    if found is None:
        raise EndpointError(text, f"expected {kind}:HOST:PORT")
    port = int(found["port"])
    if port > _LAST_PORT:
        raise EndpointError(text, f"port {port} is above {_LAST_PORT}")
    return Endpoint(kind, found["host"].strip("[]"), port)
