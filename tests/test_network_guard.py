"""No test leaves this machine."""

import socket

import pytest

from tests.support.network_guard import NetworkForbiddenError


def test_foreign_address_is_refused_before_anything_is_sent() -> None:
    """A connection to an address that is not loopback raises in the caller."""
    with socket.socket() as client, pytest.raises(NetworkForbiddenError, match=r"192\.0\.2\.1"):
        client.connect(("192.0.2.1", 80))


def test_foreign_name_is_not_looked_up() -> None:
    """A name look-up is refused; a name under .invalid fails as it does everywhere."""
    with pytest.raises(NetworkForbiddenError, match=r"scep\.example"):
        socket.getaddrinfo("scep.example", 80)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("scep.invalid", 80)


def test_loopback_is_open() -> None:
    """Servers of the tests can be reached by number and by name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        socket.create_connection(("localhost", port)).close()
