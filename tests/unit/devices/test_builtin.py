"""Handlers that data can name: privilege, login, terminal settings."""

import pytest

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.profile_data import read_folder
from tests.support.consoles import CONSOLE_LINE, Terminal
from tests.support.sample_profile import HANDLERS, SampleDevice, config_left, folder, site_left


@pytest.fixture(scope="module")
def guarded_profile() -> DeviceProfile:
    """The sample profile with a login on its vty lines."""
    data = read_folder(folder())
    data["lines"]["vty"]["opening"] = "login"
    return DeviceProfile(
        data,
        handlers=HANDLERS,
        leave_handlers={"config_left": config_left, "site_left": site_left},
        device_class=SampleDevice,
    )


USERS = {"admin": "pa55"}


def test_enable_asks_for_the_password(sample_profile: DeviceProfile) -> None:
    """Right: the privileged prompt. Three times wrong: refused."""
    terminal = Terminal(sample_profile, enable_password="s3cret")
    assert terminal.run("enable") == "enable\nPassword: "
    assert terminal.run("s3cret") == "\nbox#"
    assert terminal.run("disable") == "disable\nbox>"
    terminal.run("enable")
    assert terminal.type("a\rb\r") == "\nPassword: \nPassword: "
    assert terminal.run("c") == "\n% Bad secrets\n\nbox>"


def test_enable_without_a_password_asks_nothing(terminal: Terminal) -> None:
    """And a level may be given."""
    assert terminal.run("enable 15") == "enable 15\nbox#"
    assert terminal.run("enable 1") == "enable 1\nbox>"


def test_disable_never_raises_the_privilege(terminal: Terminal) -> None:
    """Whatever level is named."""
    assert terminal.run("disable 15") == "disable 15\nbox>"


def test_a_device_without_users_asks_for_no_login(guarded_profile: DeviceProfile) -> None:
    """The prompt comes at once."""
    assert Terminal(guarded_profile).greeting == b"box>"


def test_login_asks_for_name_and_password(guarded_profile: DeviceProfile) -> None:
    """The password is not shown; the session knows the name."""
    terminal = Terminal(guarded_profile, users=USERS)
    assert terminal.shown(terminal.greeting) == "\nUser Access Verification\n\nUsername: "
    assert terminal.run("admin") == "admin\nPassword: "
    assert terminal.run("pa55") == "\nbox>"
    assert terminal.console.session.user == "admin"


def test_three_wrong_logins_close_the_line(guarded_profile: DeviceProfile) -> None:
    """An unknown name and a wrong password look alike."""
    terminal = Terminal(guarded_profile, users=USERS)
    for name in ("admin", "nobody"):
        terminal.run(name)
        assert terminal.run("wrong") == "\n% Login invalid\n\nUsername: "
    terminal.run("admin")
    assert terminal.run("") == "\n% Login invalid\n\n"
    assert terminal.console.is_closed


def test_login_cannot_be_interrupted_away(guarded_profile: DeviceProfile) -> None:
    """Ctrl-C and Ctrl-Z in the login dialog give no prompt."""
    for key in ("\x03", "\x1a"):
        terminal = Terminal(guarded_profile, users=USERS)
        assert "box>" not in terminal.type(key)
        terminal.run("admin")
        assert "box>" not in terminal.type(key)
        assert "Sample OS" not in terminal.run("show version")


def test_a_broken_login_opens_nothing(guarded_profile: DeviceProfile) -> None:
    """A handler that fails before the first prompt closes the line instead of giving the prompt."""
    terminal = Terminal(guarded_profile, users=USERS)
    terminal.run("admin")
    terminal.device.users = None  # type: ignore[assignment]
    assert "box>" not in terminal.run("pa55")
    assert terminal.console.is_closed


def test_a_console_line_asks_for_the_login_behind_return(sample_profile: DeviceProfile) -> None:
    """After Return, and again after the session."""
    terminal = Terminal(sample_profile, line=CONSOLE_LINE, users=USERS)
    assert terminal.type("\r").endswith("Username: ")
    terminal.run("admin")
    terminal.run("pa55")
    assert terminal.run("logout").endswith("Press RETURN to get started.\n")
    assert terminal.type("\r").endswith("Username: ")


def test_terminal_settings_belong_to_the_session(terminal: Terminal) -> None:
    """Width, history and monitor."""
    terminal.run("terminal width 100")
    terminal.run("terminal history size 1")
    terminal.run("terminal monitor")
    session = terminal.console.session
    assert (session.width, session.history_size, session.monitor) == (100, 1, True)
    terminal.run("echo one")
    terminal.run("echo two")
    assert terminal.type("\x10\x10") == "echo two\a"
