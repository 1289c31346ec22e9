"""Help, completion, rights, logins and events that no transcript shows."""

from __future__ import annotations

import hashlib

import pytest

from sceplab_devices.profiles.fortinet_fortios.grep import blocks
from sceplab_devices.profiles.fortinet_fortios.local_certificates import settings_of
from tests.support.fortigate import URL, FortiBench
from tests.support.scripted_carried import load_test_key


@pytest.mark.parametrize(
    ("before", "typed", "words"),
    [
        ([], "", ["config", "get", "show", "diagnose", "execute", "tree", "exit"]),
        ([], "get vpn cert local ", ["details", "VPN", "<Enter>"]),
        ([], "execute vpn certificate ca import auto ", ["<url>", "<Enter>"]),
        ([], "show full", ["full-configuration"]),
        ([], "show ful system c", ["console"]),
        (["config user peer"], "edit ", ["<name>"]),
        (["config user peer"], "con", []),
        (["config user peer", "edit P"], "set cn-type ",
         ["string", "email", "FQDN", "ipv4", "ipv6"]),
        (["config system interface", "edit wan1"], "set eap-user-cert ", ["VPN"]),
        (["config system interface", "edit wan1"], "set vlanid ", ["<integer>"]),
        (["config system interface", "edit wan1"], "config ", ["secondaryip", "ipv6"]),
        (["config system interface", "edit wan1"], "set nothing ", []),
        (["config system interface", "edit wan1"], "unset vlanid ", ["<Enter>"]),
    ],
)  # fmt: skip
def test_help_lists_what_may_follow(before: list[str], typed: str, words: list[str]) -> None:
    """The question mark lists keywords, names and placeholders."""
    bench = FortiBench()
    terminal = bench.operator()
    bench.enroll(terminal)
    for line in before:
        terminal.run(line)
    console = terminal.console
    shown = bench.profile.language.help_text(bench.device, console.session, typed)
    assert [line.split()[0] for line in shown.splitlines()] == words
    completed = bench.profile.language.complete(bench.device, console.session, typed)
    kept = typed.rpartition(" ")[0] + " " if " " in typed else ""
    assert completed == [kept + word for word in words if not word.startswith("<")]


def test_read_only_user_changes_nothing() -> None:
    """The prompt has a dollar sign; changing commands are unknown."""
    bench = FortiBench()
    terminal = bench.operator()
    for line in (
        "config system admin", "edit guest", "set accprofile super_admin_readonly",
        "set password x", "next", "end",
    ):  # fmt: skip
        terminal.run(line)
    guest = bench.terminal(user="guest")
    assert guest.greeting == b"FGT60F $ "
    guest.run("config user peer")
    guest.run("edit P")
    assert "Unknown action 0" in guest.run("set cn x")
    guest.run("abort")
    assert "Unknown action 0" in guest.run("execute reboot")
    assert bench.box.config.rows("user peer") == {}


def test_three_wrong_logins_close_the_line() -> None:
    """Nobody comes in."""
    bench = FortiBench()
    terminal = bench.terminal()
    for _ in range(3):
        terminal.run("admin")
        terminal.run("wrong")
    assert terminal.console.is_closed


def test_changed_ca_is_refused_by_the_import_of_its_url() -> None:
    """The CA that was imported pins what is trusted later."""
    bench = FortiBench()
    terminal = bench.operator()
    terminal.run(f"execute vpn certificate ca import auto {URL}")
    bench.port.ca_answers("@ca-import-1")
    bench.port.authority = bench.port._authority_certificate(load_test_key("device-2"), "Other CA")
    terminal.run("diagnose debug application scep -1")
    terminal.run("diagnose debug enable")
    bench.generate(terminal)
    bench.port.ca_answers("VPN")
    assert "CA certificate does not match" in terminal.later()
    assert bench.port.challenges == []


def test_import_that_nobody_answers_ends() -> None:
    """After a minute the prompt is back, and nothing is left of it."""
    bench = FortiBench()
    terminal = bench.operator()
    terminal.run(f"execute vpn certificate ca import auto {URL}")
    bench.clock.advance(61)
    bench.device.tick(bench.clock.now)
    assert "Failed to get CA certificate." in terminal.later()
    assert bench.box.imports == {}


@pytest.mark.parametrize("name", ["@x", "", "x" * 36])
def test_names_of_certificates(name: str) -> None:
    """Too long, empty, or like an import of a CA: no entry."""
    bench = FortiBench()
    terminal = bench.operator()
    shown = bench.generate(terminal, f'"{name}"')
    assert "value parse error" in shown
    assert bench.box.config.rows("vpn certificate local") == {}


@pytest.mark.parametrize(
    "line",
    [
        "execute vpn certificate local generate rsa A 512 cn",
        "execute vpn certificate local generate rsa A 1024 cn",
        "execute vpn certificate local generate rsa A 2048 cn NLD",
        'execute vpn certificate local generate rsa A 2048 ""',
        'execute vpn certificate local generate rsa A 2048 cn "" "" "" "" "" "" IP:10.0.0',
        "execute vpn certificate local generate rsa A 2048",
        "execute vpn certificate local generate dsa A 2048 cn",
    ],
)
def test_requests_that_cannot_be_made(line: str) -> None:
    """Each is refused, and nothing is left of it."""
    bench = FortiBench()
    assert "Command fail. Return code -" in bench.operator().run(line)
    assert bench.box.config.rows("vpn certificate local") == {}
    assert bench.port.keys() == []


def test_blocks_keep_what_is_around_a_hit() -> None:
    """Entries without a hit are left out, the tables around a hit stay."""
    text = "config a\n edit 1\n  set x\n next\n edit 2\n  config b\n   edit 3\n    set y\n   next\n"
    text += "  end\n next\nend"
    lines = text.split("\n")
    shown = blocks(lines, ["set y" in line for line in lines])
    assert shown == [
        "config a", " edit 2", "  config b", "   edit 3", "    set y <---", "   next", "  end",
        " next", "end",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("storage", "words", "chip"),
    [
        ("software", "kept in the key store of the box", "not supported"),
        ("token", "kept in a hardware token", "not supported"),
        ("tpm", "kept in the TPM", "TPM status: enabled"),
    ],
)
def test_where_the_key_lives(storage: str, words: str, chip: str) -> None:
    """The placeholder of the key and the hardware command tell."""
    bench = FortiBench()
    bench.port.storage = storage
    terminal = bench.operator()
    bench.enroll(terminal)
    assert f"\n{words}\n" in terminal.run("show vpn certificate local VPN")
    assert chip in terminal.run("diagnose hardware deviceinfo tpm")


def test_entry_that_a_restart_cut_off_asks_again() -> None:
    """No answer before the restart: saving the entry asks the server again."""
    bench = FortiBench()
    bench.generate(bench.operator())
    bench.port.ca_is_silent("VPN")
    bench.restart()
    terminal = bench.operator()
    for line in ("config vpn certificate local", "edit VPN", "end"):
        terminal.run(line)
    bench.port.ca_answers("VPN")
    bench.port.ca_grants("VPN")
    assert "Serial Num:" in terminal.run("get vpn certificate local details VPN")


def test_the_last_administrator_stays() -> None:
    """Nobody locks everybody out."""
    bench = FortiBench()
    terminal = bench.operator()
    terminal.run("config system admin")
    assert "can not be changed" in terminal.run("delete admin")
    assert list(bench.box.config.rows("system admin")) == ["admin"]


@pytest.mark.parametrize(
    ("imported", "asked", "is_pinned"),
    [("", "", True), ("CA1", "CA1", True), ("CA1", "", True), ("CA1", "CA2", False)],
)
def test_imported_ca_pins_requests_to_its_url(imported: str, asked: str, is_pinned: bool) -> None:
    """One server may have several CAs, told apart by their identifiers."""
    bench = FortiBench()
    terminal = bench.operator()
    terminal.run(f'execute vpn certificate ca import auto {URL} "{imported}"')
    bench.port.ca_answers("@ca-import-1")
    terminal.later()
    terminal.run(
        f'execute vpn certificate local generate rsa VPN 2048 x "" "" "" "" "" "" "" {URL} "" "" '
        f'"{asked}"'
    )
    entry = bench.box.config.entry("vpn certificate local", "VPN")
    assert entry is not None
    settings = settings_of(bench.box, "VPN", entry)
    expected = hashlib.sha256(bench.port.authority).hexdigest() if is_pinned else ""
    assert (settings.pin_hex, settings.ca_identifier) == (expected, asked)
