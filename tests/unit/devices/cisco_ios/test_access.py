"""Who is let in on a line, and what a session tells of itself."""

from __future__ import annotations

import pytest

from sceplab_devices.profiles.cisco_ios.config_text import render_config
from sceplab_devices.session import CONSOLE_LINE, LineInfo
from tests.support.consoles import VTY
from tests.support.ios import RouterBench


def guarded(*lines: str, **settings: object) -> RouterBench:
    """A router whose network lines have these settings."""
    bench = RouterBench(**settings)
    bench.run("configure terminal", "line vty 0 4", *lines, "end")
    return bench


def test_a_line_password_lets_in() -> None:
    """Asked without a name, three times; it is hidden in the configuration."""
    bench = guarded("password lab-line", "login")
    terminal = bench.terminal()
    assert terminal.shown(terminal.greeting).endswith("User Access Verification\n\nPassword: ")
    assert terminal.type("wrong\r") == "\nPassword: "
    assert terminal.type("lab-line\r").endswith("R1>")
    text = render_config(bench.router)
    assert "lab-line" not in text
    assert " password 7 " in text
    again = RouterBench()
    again.router.restore(text)
    assert again.terminal().type("lab-line\r").endswith("R1>")


def test_three_wrong_line_passwords_end_the_session() -> None:
    """With the words for a line password."""
    terminal = guarded("password lab-line", "login").terminal()
    printed = "".join(terminal.type("wrong\r") for _ in range(3))
    assert "% Bad passwords" in printed
    assert terminal.console.is_closed


def test_a_line_without_its_password_lets_nobody_in() -> None:
    """``login`` alone."""
    terminal = guarded("login").terminal()
    assert "% Password required, but none set" in terminal.shown(terminal.greeting)
    assert terminal.console.is_closed


def test_login_local_asks_for_a_name() -> None:
    """The line's password does not count then; the console is not guarded by network lines."""
    bench = guarded("password lab-line", "login local", users={"admin": "lab-login"})
    terminal = bench.terminal()
    assert terminal.shown(terminal.greeting).endswith("Username: ")
    terminal.type("admin\r")
    assert terminal.type("lab-login\r").endswith("R1>")


@pytest.mark.parametrize("line", [VTY, CONSOLE_LINE])
def test_nobody_is_asked_without_login(line: LineInfo) -> None:
    """A password alone guards nothing."""
    terminal = guarded("password lab-line").terminal(line)
    assert "Password" not in terminal.shown(terminal.greeting)


def test_a_damaged_hidden_password_is_refused() -> None:
    """And the old one stays."""
    bench = guarded("password lab-line")
    printed = bench.run("configure terminal", "line vty 0 4", "password 7 zz")
    assert "% Invalid input" in printed


def test_a_session_has_a_history() -> None:
    """Commands of this session, the last one included."""
    assert RouterBench().run("show privilege", "show history").splitlines() == [
        "  enable", "  terminal length 0", "  show privilege", "  show history"
    ]  # fmt: skip


def test_a_trustpoint_shows_itself() -> None:
    """From inside, as the configuration has it."""
    shown = RouterBench().run("configure terminal", "crypto pki trustpoint T", "usage ike", "show")
    assert shown == "crypto pki trustpoint T\n usage ike\n revocation-check crl"


@pytest.mark.parametrize("kind", ["usage-keys", "signature", "encryption"])
def test_keys_for_one_use_are_refused(kind: str) -> None:
    """Clearly, and nothing is made."""
    bench = RouterBench()
    printed = bench.run(
        "configure terminal", f"crypto key generate rsa {kind} label K modulus 2048"
    )
    assert printed == (
        f"% Error in generating keys: this device makes general-purpose keys only, not {kind}"
    )
    assert bench.port.keys() == []
