"""What all listening lines share: addresses, and words for a port that cannot be had."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines.endpoint import Endpoint

_NEXT_STEPS = {
    errno.EADDRINUSE: "the port is in use; choose another one, or 0 for any free port",
    errno.EACCES: "this port needs more rights; choose one above 1023, or 0 for any free port",
    errno.EADDRNOTAVAIL: "this machine has no such address; 127.0.0.1 is always there",
}


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an IP address."""
    return ip_address(address.partition("%")[0]).is_loopback


def refused(endpoint: Endpoint, error: OSError) -> EndpointError:
    """Why nobody can listen there, and what to do."""
    if isinstance(error, socket.gaierror):
        reason = f"no address belongs to the name {endpoint.host!r}"
    else:
        reason = _NEXT_STEPS.get(error.errno or 0, error.strerror or str(error))
    return EndpointError(str(endpoint), reason)
