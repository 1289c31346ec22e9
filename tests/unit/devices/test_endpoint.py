"""Texts that say where a line is."""

import pytest

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines import Endpoint, parse_endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp:127.0.0.1:2001", Endpoint("tcp", "127.0.0.1", 2001)),
        ("telnet:localhost:0", Endpoint("telnet", "localhost", 0)),
        ("tcp:[::1]:23", Endpoint("tcp", "::1", 23)),
    ],
)
def test_an_endpoint_is_read_and_written(text: str, endpoint: Endpoint) -> None:
    """Both ways."""
    assert parse_endpoint(text) == endpoint
    assert str(endpoint) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ssh:127.0.0.1:22", "unknown line kind 'ssh'; known: tcp, telnet"),
        ("127.0.0.1:22", "unknown line kind '127.0.0.1'; known: tcp, telnet"),
        ("", "unknown line kind ''"),
        ("tcp", "expected tcp:HOST:PORT"),
        ("tcp:127.0.0.1", "expected tcp:HOST:PORT"),
        ("telnet::23", "expected telnet:HOST:PORT"),
        ("tcp:::1:23", "expected tcp:HOST:PORT"),
        ("tcp:host:http", "expected tcp:HOST:PORT"),
        ("tcp:host:65536", "port 65536 is above 65535"),
    ],
)
def test_a_wrong_endpoint_says_what_is_expected(text: str, message: str) -> None:
    """With the text itself."""
    with pytest.raises(EndpointError) as caught:
        parse_endpoint(text)
    assert message in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("telnet:127.0.0.1:2001", "telnet 127.0.0.1 2001"),
        ("telnet:[::1]:2001", "telnet ::1 2001"),
        ("tcp:127.0.0.1:2001", "socat -,rawer,escape=0x1d tcp:127.0.0.1:2001"),
        ("tcp:[::1]:2001", "socat -,rawer,escape=0x1d tcp:[::1]:2001"),
    ],
)
def test_each_kind_of_line_has_its_client(text: str, command: str) -> None:
    """Telnet for telnet; for the bare byte stream a program that negotiates nothing."""
    assert parse_endpoint(text).client_command == command
