"""What is saved, when, and what is never in it."""

from __future__ import annotations

import logging

import pytest

from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.fortinet_fortios import hidden
from tests.support.fortigate import FortiBench


def test_secrets_are_hidden_and_survive() -> None:
    """Challenge and passwords are ENC texts; the box knows the challenge after a restart."""
    bench = FortiBench()
    terminal = bench.operator()
    bench.generate(terminal, challenge="sesame-1")
    bench.port.ca_answers("VPN")
    assert "sesame-1" not in bench.saved[-1]
    assert "secret-1" not in bench.saved[-1]
    bench.restart()
    entry = bench.box.config.entry("vpn certificate local", "VPN")
    assert entry is not None
    assert hidden.reveal(entry.text("scep-password")) == "sesame-1"
    assert bench.box.accepts_login("admin", "secret-1")
    assert not bench.box.accepts_login("admin", "secret-2")
    assert not bench.box.accepts_login("nobody", "")


def test_pending_edit_is_not_saved() -> None:
    """Only next and end save; a line that drops saves nothing."""
    bench = FortiBench()
    terminal = bench.operator()
    count = len(bench.saved)
    for line in ("config user peer", "edit P", "set cn x"):
        terminal.run(line)
    terminal.console.disconnect()
    assert len(bench.saved) == count
    assert bench.box.edits == {}
    assert "P" not in bench.box.config.rows("user peer")


def test_two_sessions_do_not_see_each_others_edits() -> None:
    """The last one to save wins."""
    bench = FortiBench()
    first, second = bench.operator(), bench.operator()
    for terminal, name in ((first, "one"), (second, "two")):
        for line in ("config system dns", f"set domain {name}"):
            terminal.run(line)
    assert bench.box.setting("system dns", "domain") == ""
    second.run("end")
    first.run("end")
    assert bench.box.setting("system dns", "domain") == "one"


def test_saved_text_comes_back_whole(caplog: pytest.LogCaptureFixture) -> None:
    """Everything configured is there after a restart, and nothing is complained of."""
    bench = FortiBench()
    terminal = bench.operator()
    bench.enroll(terminal)
    for line in (
        "config user peer", 'edit "P"', 'set cn "a \\"b\\" \\\\c"', "next", "end",
        "config vpn ipsec phase1-interface", "edit T", "set interface wan1",
        "set certificate VPN", "set psksecret abc", "next", "end",
        "config firewall address", "edit L", 'set comment "two', 'lines"', "next", "end",
        "config system interface", "edit wan1", "config secondaryip", "edit 3",
        "set ip 10.0.0.1/8", "next", "end", "next", "end",
    ):  # fmt: skip
        assert "fail" not in terminal.run(line)
    before = terminal.run("show")
    with caplog.at_level(logging.WARNING):
        bench.restart()
    assert caplog.records == []
    assert bench.operator().run("show") == before


def test_a_damaged_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A saved line that is not understood is named without what may be a secret."""
    bench = FortiBench()
    bench.box.restore(
        "#header\nconfig user peer\nedit P\nset pasword sesame-9\nset cn a sesame-8\n"
        "unset sesame-7\nnext\nend\n"
    )
    assert "saved line 4 (set …): " in caplog.text
    assert "sesame" not in caplog.text


def test_disk_that_keeps_nothing_is_logged() -> None:
    """The configuration stays in force; saving by hand says that it failed."""
    bench = FortiBench()
    terminal = bench.operator()

    def refuse(_text: str) -> None:
        raise DeviceError("disk full")

    bench.device.on_save = refuse
    assert "Config is not saved." in terminal.run("execute cfg save")


def test_factory_reset_forgets_everything() -> None:
    """Keys, certificates and configuration are gone, and the host is told."""
    bench = FortiBench()
    terminal = bench.operator()
    bench.enroll(terminal)
    reloads: list[bool] = []
    bench.device.on_reload = lambda: reloads.append(True)
    terminal.run("execute factoryreset")
    terminal.type("y")
    assert bench.saved[-1] == ""
    assert bench.port.keys() == []
    assert bench.port.view("VPN").certificate_der is None
    assert reloads == [True]
