"""Texts that say where a line is."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_devices.errors import EndpointError
from sceplab_devices.lines import Endpoint, parse_endpoint
from sceplab_devices.lines.endpoint import KINDS
from sceplab_devices.lines.faults import FaultPlan
from sceplab_devices.lines.options import LineOptions


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp:127.0.0.1:2001", Endpoint("tcp", "127.0.0.1", 2001)),
        ("telnet:localhost:0", Endpoint("telnet", "localhost", 0)),
        ("tcp:[::1]:23", Endpoint("tcp", "::1", 23)),
        ("pty:/tmp/ttyR1", Endpoint("pty", path="/tmp/ttyR1")),
        (
            "rfc2217:localhost:0?baud=1200&seed=7",
            Endpoint("rfc2217", "localhost", 0, options=LineOptions("baud=1200&seed=7")),
        ),
    ],
)
def test_an_endpoint_is_read_and_written(text: str, endpoint: Endpoint) -> None:
    """Both ways."""
    assert parse_endpoint(text) == endpoint
    assert str(endpoint) == text


def test_options_are_read() -> None:
    """Each with its value; what is not given has a default."""
    options = parse_endpoint(
        "tcp:h:1?baud=300&faults=noise:0.5,drop:20,echo:0.2,more:1,cut:3&seed=9"
    )
    assert options.options.baud == 300
    assert options.options.faults == FaultPlan(noise=0.5, drop=20, echo=0.2, more=1, cut=3, seed=9)
    ssh = parse_endpoint("ssh:h:1?auth=password+none&host-key=/k").options
    assert (ssh.auth, ssh.host_key, ssh.faults.is_quiet) == (("password", "none"), "/k", True)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else comes out of the reader."""
    for start in ("", "tcp:h:1?", "ssh:h:1?auth=", "pty:/p?faults=", "tcp:h:1?faults=noise:"):
        with suppress(EndpointError):
            assert parse_endpoint(start + text).kind in KINDS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "usb:127.0.0.1:22",
            "unknown line kind 'usb'; known: tcp, telnet, ssh, rfc2217, pty, serial",
        ),
        (
            "127.0.0.1:22",
            "unknown line kind '127.0.0.1'; known: tcp, telnet, ssh, rfc2217, pty, serial",
        ),
        ("", "unknown line kind ''"),
        ("tcp", "expected tcp:HOST:PORT"),
        ("tcp:127.0.0.1", "expected tcp:HOST:PORT"),
        ("telnet::23", "expected telnet:HOST:PORT"),
        ("tcp:::1:23", "expected tcp:HOST:PORT"),
        ("tcp:host:http", "expected tcp:HOST:PORT"),
        ("tcp:host:65536", "port 65536 is above 65535"),
        ("ssh:/dev/ttyS0", "expected ssh:HOST:PORT"),
        ("pty:ttyR1", "expected pty:/PATH, for example pty:/tmp/lab/ttyR1"),
        ("serial:", "expected serial:/PATH, for example serial:/dev/ttyUSB0"),
        ("tcp:h:1?auth=none", "tcp has no option 'auth'; known: baud, faults, seed"),
        ("ssh:h:1?baud=9600", "ssh has no option 'baud'; known: auth, host-key, faults, seed"),
        ("tcp:h:1?baud", "option 'baud' needs a value"),
        ("tcp:h:1?baud=1&baud=2", "option 'baud' is given twice"),
        ("pty:/p?baud=0", "baud=0: expected 1 to 4000000"),
        ("pty:/p?baud=fast", "baud=fast: expected a whole number"),
        ("pty:/p?seed=-1", "seed=-1: expected a whole number"),
        ("ssh:h:1?auth=password+key", "unknown login 'key'; known: none, password, keyboard-in"),
        ("tcp:h:1?faults=fire:1", "unknown fault 'fire'; known: noise, drop, echo, more, cut"),
        ("tcp:h:1?faults=noise:1.5", "fault noise:1.5: expected a number 0 to 1"),
        ("tcp:h:1?faults=noise:nan", "fault noise:nan: expected a number 0 to 1"),
        ("tcp:h:1?faults=more:0.5", "fault more:0.5: expected a whole number"),
        ("tcp:h:1?faults=drop", "fault drop:: expected a number"),
        ("tcp:h:1?faults=drop:1,drop:2", "fault 'drop' is given twice"),
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
        ("pty:/tmp/ttyR1?baud=1200", "picocom -b 1200 /tmp/ttyR1"),
        (
            "rfc2217:127.0.0.1:2001",
            "python -m serial.tools.miniterm --eol CR rfc2217://127.0.0.1:2001 9600",
        ),
    ],
)
def test_each_kind_of_line_has_its_client(text: str, command: str) -> None:
    """Telnet for telnet; for the bare byte stream a program that negotiates nothing."""
    assert parse_endpoint(text).client_command == command


def test_the_ssh_command_asks_about_no_host_key() -> None:
    """Keys of a laboratory change; the login name is the caller's."""
    command = parse_endpoint("ssh:127.0.0.1:2022").command_for("admin")
    assert command.startswith("ssh -p 2022 -o StrictHostKeyChecking=no ")
    assert command.endswith(" admin@127.0.0.1")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("telnet:0.0.0.0:2323", "telnet 127.0.0.1 2323"),
        ("tcp:[::]:2001", "socat -,rawer,escape=0x1d tcp:[::1]:2001"),
    ],
)
def test_nobody_connects_to_all_addresses(text: str, command: str) -> None:
    """What a person types names an address that leads there."""
    assert parse_endpoint(text).client_command == command
