"""Keeps every test on this machine.

An audit hook sees each connection and each name look-up of the process, whichever library makes
it, and refuses the ones that would leave the loopback interface. Child processes are not covered;
tests start those with loopback addresses only.
"""

import ipaddress
import socket
import sys
from typing import Any

_LOCAL_NAMES = {"", "localhost", "localhost.localdomain", "ip6-localhost"}


class NetworkForbiddenError(RuntimeError):
    """A test tried to reach an address outside this machine."""


def _is_local(host: object) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name is None or not isinstance(name, str) or name.casefold() in _LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name == socket.gethostname()
    return address.is_loopback or address.is_unspecified


def _refuse_foreign_addresses(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        # Unix sockets have a path for an address; netlink and others have no host.
        if not isinstance(address, tuple) or not isinstance(address[0], str):
            return
        host: object = address[0]
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
        if isinstance(host, str) and host.casefold().endswith(".invalid"):
            # RFC 6761 §6.4: such names never exist; answered here so that nothing is asked.
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    else:
        return
    if not _is_local(host):
        raise NetworkForbiddenError(f"tests stay on this machine; {event} wanted {host!r}")


def forbid_network() -> None:
    """Install the guard for the rest of the process."""
    sys.addaudithook(_refuse_foreign_addresses)
