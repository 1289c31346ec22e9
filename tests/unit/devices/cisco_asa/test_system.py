"""The ASA as a box: who may what, terminals, log, saving, restarting."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sceplab_devices.errors import DeviceError
from sceplab_devices.profile import open_profile
from sceplab_devices.profiles.cisco_asa import Firewall
from sceplab_devices.profiles.cisco_asa.config_text import render_config
from sceplab_devices.profiles.cisco_asa.passwords import hash_password, matches_hash
from sceplab_devices.profiles.cisco_asa.shows_system import uptime_text
from sceplab_devices.session import CONSOLE_LINE
from tests.support.asa import FirewallBench


def test_it_is_an_installed_profile() -> None:
    """By its name."""
    assert open_profile("cisco-asa").title == "Cisco ASA 9.12 (ASAv)"


def test_lines_end_as_the_platform_ends_them() -> None:
    r"""``\\r\\n\\r``, which clients of the platform look for."""
    terminal = FirewallBench().terminal()
    assert terminal.console.receive(b"show mode\r") == (
        b"show mode\r\n\rSecurity context mode: single \r\n\rasa> "
    )


def test_paging() -> None:
    """The question is wiped from its line by blanks."""
    terminal = FirewallBench().terminal()
    for line in ("enable", ""):
        terminal.run(line)
    assert terminal.run("show running-config").endswith("\n<--- More --->")
    assert terminal.console.receive(b"q") == b"\r              \rasa# "


def test_users_log_in_on_a_network_line() -> None:
    """They come in without rights; enable asks its own password."""
    bench = FirewallBench(users={"admin": "adm1n"}, enable_password="s3cret")
    terminal = bench.terminal()
    assert terminal.greeting.endswith(b"Username: ")
    terminal.run("admin")
    assert terminal.run("adm1n").endswith("asa> ")
    terminal.run("enable")
    assert terminal.run("adm1n").endswith("Invalid password\nPassword: ")
    assert terminal.run("s3cret").endswith("asa# ")
    assert "Username : enable_15" in terminal.run("show curpriv")


def test_enable_may_ask_for_the_users_own_password() -> None:
    """With the local user data base behind it, the name stays."""
    bench = FirewallBench(users={"admin": "adm1n"}, enable_password="s3cret")
    bench.firewall.config.lines["aaa"] = {
        "x": "aaa authentication enable console LOCAL",
    }
    terminal = bench.terminal()
    for line in ("admin", "adm1n", "enable"):
        terminal.run(line)
    assert terminal.run("adm1n").endswith("asa# ")
    assert "Username : admin" in terminal.run("show curpriv")


def test_a_user_without_rights_cannot_configure() -> None:
    """The default privilege of a user shows the mark of rights and gives few."""
    bench = FirewallBench()
    bench.run("username guest password g")
    terminal = bench.terminal()
    for line in ("guest", "g", "login", "guest"):
        terminal.run(line)
    assert terminal.run("g").endswith("asa# ")
    assert "ERROR: % Invalid input" in terminal.run("configure terminal")


def test_hashes_of_passwords() -> None:
    """They match their password only and read the same each time."""
    assert hash_password("a") == hash_password("a")
    assert matches_hash(hash_password("a"), "a")
    assert not matches_hash(hash_password("a"), "b")
    assert not matches_hash("nonsense", "a")


def test_secrets_are_shown_nowhere() -> None:
    """Not in a shown configuration; the saved one hides them from a glance."""
    bench = FirewallBench()
    bench.run(
        "enable password one", "username u password two", "crypto ca trustpoint TP",
        "password three", "exit", "tunnel-group T ipsec-attributes",
        "ikev1 pre-shared-key four", "ikev2 local-authentication pre-shared-key 0 five", "exit",
    )  # fmt: skip
    terminal = bench.terminal(CONSOLE_LINE)
    for line in ("enable", "one", "terminal pager 0", "write memory"):
        terminal.run(line)
    shown = terminal.run("show running-config") + terminal.run("show startup-config")
    for secret in ("one", "two", "three", "four", "five"):
        assert f" {secret}" not in shown.replace("fqdn none", "")
        assert secret not in bench.saved[-1]
    assert "ikev1 pre-shared-key *****\n" in shown


def test_what_cannot_be_saved_is_said() -> None:
    """And the box stays unsaved."""
    bench = FirewallBench()

    def fail(_text: str) -> None:
        raise DeviceError("disk full")

    bench.device.on_save = fail
    bench.run("hostname fw")
    assert "%Error writing startup-config (disk full)" in bench.run("write memory")
    assert not bench.firewall.is_saved


def test_erased_configuration() -> None:
    """After a confirmation nothing is left to come up with."""
    bench = FirewallBench()
    bench.run("write memory", "write erase", "y")
    assert bench.saved[-1] == ""
    assert bench.run("show startup-config") == "No startup configuration"


def test_reload_saves_when_told_and_asks_the_host() -> None:
    """The question about saving comes only where something is unsaved."""
    bench = FirewallBench()
    asked: list[bool] = []
    bench.device.on_reload = lambda: asked.append(True)
    bench.run("hostname fw", "reload", "y", "")
    assert asked == [True]
    assert "hostname fw\n" in bench.saved[-1]
    output = bench.run("reload noconfirm")
    assert "START GRACEFUL SHUTDOWN" in output
    assert asked == [True, True]


def test_saved_text_leads_to_the_same_text() -> None:
    """What a restarted box would save is what was saved."""
    bench = FirewallBench()
    bench.run(
        "domain-name lab.example", "clock timezone CET 1", "pager 0", "username u password p",
        "interface g0/1", "nameif inside", "ip address 10.0.0.1 255.255.255.0", "no shutdown",
        "crypto ca trustpoint TP", "enrollment url http://10.0.0.9", "password s3cret",
        "no ca-check", "auto-enroll 80", "crl configure", "policy cdp", "exit", "exit",
        "crypto ikev1 policy 5", "authentication rsa-sig", "exit",
        "crypto ikev2 enable inside client-services port 443", "no logging timestamp",
        "logging console debugging", "webvpn", "enable inside", "anyconnect enable", "exit",
        "group-policy G internal", "group-policy G attributes", "dns-server value 10.0.0.2",
        "tunnel-group T type remote-access", "tunnel-group T ipsec-attributes",
        "ikev1 trust-point TP", "ikev2 remote-authentication pre-shared-key k",
    )  # fmt: skip
    bench.run("write memory")
    bench.restart()
    assert isinstance(bench.device, Firewall)
    assert render_config(bench.device) == bench.saved[-1]
    assert bench.device.is_saved


@pytest.mark.parametrize(
    "line", ["username ops password 3USUcOPFUiMCO4Jk encrypted", "enable password 8Ry2Yj encrypted"]
)
def test_an_old_hash_is_no_password(line: str) -> None:
    """What is not understood is refused; nobody comes in with the hash."""
    bench = FirewallBench()
    before = bench.device.users, bench.device.enable_password
    said = bench.run(line)
    assert said.startswith("ERROR: Passwords with an 'encrypted' hash are not supported here")
    assert (bench.device.users, bench.device.enable_password) == before
    assert "ops" not in bench.device.users


def test_reload_asks_until_it_is_told() -> None:
    """Neither yes nor no is no answer about what is not saved."""
    bench = FirewallBench()
    assert "Cryptochecksum" in bench.run("hostname fw", "reload", "", "what", "y")
    assert "hostname fw" in bench.saved[-1]


def test_a_damaged_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The line that cannot be read is named without it."""
    bench = FirewallBench()
    bench.device.restore("crypto ca trustpoint TP\n password 7 0xZZ\n")
    assert "startup line 2 (password …): " in caplog.text
    assert "0xZZ" not in caplog.text


def test_idle_sessions_end_when_configured() -> None:
    """Network lines after their limit; the console has its own."""
    bench = FirewallBench()
    bench.run("ssh timeout 2")
    network, console = bench.terminal(), bench.terminal(CONSOLE_LINE)
    closed = []
    for minutes in (1, 2):
        bench.advance(timedelta(minutes=minutes))
        closed.append((network.console.is_closed, console.console.is_closed))
    assert closed == [(False, False), (True, False)]


def test_log_lines_on_terminals() -> None:
    """On a console and, after terminal monitor, on a network line: once configured."""
    bench = FirewallBench()
    console, network = bench.terminal(CONSOLE_LINE), bench.terminal()
    bench.run("logging console informational", "logging monitor informational")
    network.run("terminal monitor")
    bench.run("end")
    assert "%ASA-5-111005: enable_15 end configuration: OK" in console.later()
    assert "%ASA-5-111005" in network.later()
    bench.run("no logging console", "no logging enable", "end")
    network.later()
    console.later()
    bench.run("hostname fw", "end")
    assert console.later() == network.later() == ""


def test_granted_line_comes_where_it_was_asked_for() -> None:
    """On the enrolling session and the console, and on no other."""
    bench = FirewallBench()
    bench.run("crypto ca trustpoint TP", "enrollment url http://10.0.0.9", "exit")
    console, network, other = bench.terminal(CONSOLE_LINE), bench.terminal(), bench.terminal()
    for line in ("enable", "", "configure terminal", "crypto ca authenticate TP nointeractive"):
        network.run(line)
    bench.port.ca_answers("TP")
    network.run("crypto ca enroll TP noconfirm")
    bench.port.ca_grants("TP")
    line = "The certificate has been granted by CA!"
    assert line in console.later()
    assert line in network.later()
    assert other.later() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 secs"), (61, "1 min 1 sec"), (7200, "2 hours 0 mins"), (590400, "6 days 20 hours")],
)
def test_uptime(seconds: int, text: str) -> None:
    """Two units, the largest first."""
    assert uptime_text(timedelta(seconds=seconds)) == text


def test_where_keys_live() -> None:
    """The words are data; a place without words is named as the engine names it."""
    bench = FirewallBench()
    for storage in ("software", "tpm", "cloud"):
        bench.port.storage = storage
        bench.run(f"crypto key generate rsa label {storage} modulus 2048")
    shown = bench.run("show crypto key mypubkey rsa")
    for line in (" Storage: config\n", " Storage: tpm\n", " Storage: cloud\n"):
        assert line in shown


def test_the_window_says_nothing_about_pages() -> None:
    """``pager`` and ``terminal width`` do."""
    terminal = FirewallBench().terminal()
    terminal.console.resize(132, 50)
    assert "pager lines 24\n" in terminal.run("show pager")
    assert "Width = 80," in terminal.run("show terminal")


def test_logging_keeps_what_its_level_lets_through() -> None:
    """A name or a number; without a destination nothing is kept."""
    bench = FirewallBench()
    for level in ("errors", "3", "err"):
        bench.run("clear logging buffer", f"logging buffered {level}")
        bench.firewall.syslog("received", name="TP")
        assert not bench.firewall.log_buffer
        bench.firewall.syslog("failed", name="TP", reason="x")
        assert len(bench.firewall.log_buffer) == 1
    bench.run("clear logging buffer", "no logging buffered")
    bench.firewall.syslog("failed", name="TP", reason="x")
    assert not bench.firewall.log_buffer


def test_logging_reaches_terminals_at_its_level() -> None:
    """A network line sees what ``logging monitor`` names, once it asks for it."""
    bench = FirewallBench()
    bench.run("logging monitor errors")
    terminal = bench.terminal()
    for line in ("enable", "", "terminal monitor"):
        terminal.run(line)
    bench.firewall.syslog("received", name="TP")
    assert terminal.later() == ""
    bench.firewall.syslog("failed", name="TP", reason="x")
    assert "%ASA-3-717002" in terminal.later()
