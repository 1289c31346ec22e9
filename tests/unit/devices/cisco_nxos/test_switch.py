"""The NX-OS switch as a box: data, login, files, saving, restarting, what parsers read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from sceplab_devices.errors import DeviceError
from sceplab_devices.profile import open_profile
from sceplab_devices.profiles import cisco_nxos
from sceplab_devices.profiles.cisco_nxos.bootflash import open_bootflash
from sceplab_devices.profiles.cisco_nxos.shows_system import uptime_text
from sceplab_devices.session import CONSOLE_LINE
from tests.support.nxos import SwitchBench

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_it_is_an_installed_profile() -> None:
    """By its name; it tells the operator what to type, because it cannot say a URL."""
    profile = open_profile("cisco-nxos")
    assert profile.title == "Cisco NX-OS 9.3 (Nexus 9300v)"
    assert profile.data["lab_trustpoint"] == []
    bench = SwitchBench()
    mode = bench.operator()
    for line in profile.data["lab_hint"]:
        output = mode.run(line)
        assert "% " not in output, line
        if "END OF INPUT" in line:
            mode.run("END OF INPUT")


def test_every_text_is_marked() -> None:
    """Each text says how well it is known."""
    for name in ("texts-pki.toml", "texts-system.toml"):
        lines = (files(cisco_nxos) / "data" / name).read_text().splitlines()
        texts = [line for line in lines if " = " in line]
        assert texts
        assert [line for line in texts if "  # " not in line] == []


def test_help_says_something_about_the_certificate_commands() -> None:
    """``?`` describes them."""
    shown = SwitchBench().operator().type("crypto ca ?")
    assert "  authenticate  Authenticate the CA\n" in shown


def test_three_failures_end_a_login() -> None:
    """A network line is closed."""
    terminal = SwitchBench(users={"admin": "adm1n"}).terminal()
    assert terminal.greeting.endswith(b"\r\nUser Access Verification\r\nswitch login: ")
    for _ in range(3):
        terminal.run("admin")
        terminal.run("wrong")
    assert terminal.console.is_closed


def test_a_user_of_the_configuration_survives_a_restart() -> None:
    """The password is kept as a hash, and still lets in."""
    bench = SwitchBench()
    bench.run("username ops password S3cret-pw role network-operator", "copy run start")
    assert "S3cret-pw" not in bench.saved[-1]
    bench.restart()
    assert bench.switch.accepts_login("ops", "S3cret-pw")
    assert not bench.switch.accepts_login("ops", "other")
    assert "        roles:network-operator \n" in bench.run("show user-account ops") + "\n"


def test_a_configuration_that_cannot_be_saved() -> None:
    """The operator reads why, and what was saved before counts."""
    bench = SwitchBench()

    def refuse(_text: str) -> None:
        raise DeviceError("disk full")

    bench.switch.on_save = refuse
    output = bench.run("hostname leaf1", "copy running-config startup-config")
    assert output == "Configuration update aborted: disk full"
    assert bench.run("show startup-config") == "No startup configuration"


@pytest.mark.parametrize(("key", "is_reloaded"), [("y", True), ("n", False), ("\r", False)])
def test_reload_asks(key: str, *, is_reloaded: bool) -> None:
    """A single key; Enter alone is no."""
    bench = SwitchBench()
    reloads: list[bool] = []
    bench.switch.on_reload = lambda: reloads.append(True)
    terminal = bench.terminal(CONSOLE_LINE, user="admin")
    assert terminal.run("reload").endswith("(y/n)?  [n] ")
    terminal.type(key)
    assert bool(reloads) == is_reloaded


def test_the_idle_limit_of_a_line() -> None:
    """New sessions have what its block says; a session may change its own."""
    bench = SwitchBench()
    bench.run("line vty", "exec-timeout 5", "terminal length 0", "line console", "exec-timeout 7")
    terminal = bench.terminal(user="admin")
    assert terminal.console.session.exec_timeout_s == 300
    assert terminal.console.session.length == 0
    assert bench.terminal(CONSOLE_LINE, user="x").console.session.exec_timeout_s == 420
    terminal.run("terminal session-timeout 0")
    assert terminal.console.session.exec_timeout_s == 0


def test_a_damaged_configuration_keeps_its_secrets_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The line is named without what stands behind the password keyword."""
    SwitchBench().switch.restore("hostname leaf1\nusername ops password 8 S3cret-pw role r\n")
    assert "startup line 2 (username …): " in caplog.text
    assert "S3cret-pw" not in caplog.text


def test_uptime() -> None:
    """Always four units."""
    assert uptime_text(timedelta(days=1, seconds=3661)) == (
        "1 day(s), 1 hour(s), 1 minute(s), 1 second(s)"
    )


def test_bootflash_is_a_folder_of_the_host(tmp_path: Path) -> None:
    """Files get in and out; what lies elsewhere cannot be reached."""
    folder = tmp_path / "flash"
    (tmp_path / "secret").write_text("s3cret")
    bench = SwitchBench(bootflash=str(folder))
    bench.enroll()
    assert bench.run("crypto ca export TP pkcs12 bootflash:tp.p12 pass") == ""
    written = folder / "tp.p12"
    assert written.stat().st_mode & 0o777 == 0o600
    assert "tp.p12" in bench.run("dir bootflash:")
    (folder / "link").symlink_to(tmp_path / "secret")
    for url in ("bootflash:../secret", "bootflash:/../secret", "bootflash:link"):
        assert bench.run(f"show file {url}") == "No such file or directory"
    (folder / "note").write_text("hello\n")
    assert bench.run("show file bootflash:///note") == "hello"
    bench.run("delete bootflash:note no-prompt")
    assert not (folder / "note").exists()


def test_what_a_folder_cannot_keep(tmp_path: Path) -> None:
    """Too long, no name of a file, or no folder."""
    store = open_bootflash(str(tmp_path / "flash"))
    assert not store.write("bootflash:x", bytes(2 * 1024 * 1024), NOW)
    assert not store.write("bootflash:.x", b"", NOW)
    assert not store.write("slot0:x", b"", NOW)
    assert not store.delete("bootflash:x")
    (tmp_path / "file").touch()
    assert not open_bootflash(str(tmp_path / "file")).write("bootflash:x", b"", NOW)
    assert list(open_bootflash(str(tmp_path / "file")).listing("bootflash")) == []


def test_configuration_is_not_offered_with_unknown_features() -> None:
    """The error marks the name."""
    assert "% Invalid command at '^' marker." in SwitchBench().run("feature nothing")
