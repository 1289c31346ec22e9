"""Shell and system commands of the router."""

from __future__ import annotations

import pytest

from sceplab_devices.errors import ProfileError
from sceplab_devices.profile import open_profile
from sceplab_devices.profiles.cisco_ios import Router, create_profile
from sceplab_devices.session import CONSOLE_LINE, LineInfo
from tests.support.ios import RouterBench

FIRST_CONTACT = [
    "terminal length 0",
    "terminal width 511",
    "terminal width 512",
    "terminal width 0",
    "show privilege",
    "show version",
    "show version | include operating mode",
    "configure terminal",
    "no logging console",
    "line console 0",
    "exec-timeout 0",
    "line vty 0 4",
    "exec-timeout 0",
    "end",
]


def test_first_contact_of_public_clients_is_accepted() -> None:
    """Everything automation sends before its first command passes without complaint."""
    terminal = RouterBench().terminal()
    terminal.run("enable")
    for line in FIRST_CONTACT:
        output = terminal.run(line)
        assert "%" not in output.replace("%SYS", ""), line
    assert "Current privilege level is 15" in terminal.run("show privilege")


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("sh cry pki cert", ""),
        ("sho crypt ca trustpoi", ""),
        ("sh run | inc ^hostname", "hostname R1"),
        ("show running-config | count ^!", "Number of lines which match regexp = "),
        ("SH CLOCK", "*12:00:00.000 UTC Sun Mar 1 2026"),
    ],
)
def test_abbreviations_and_filters(typed: str, shown: str) -> None:
    """Prefixes, any case and filters reach the same outputs."""
    output = RouterBench().run(typed)
    assert output.startswith(shown)
    assert "% " not in output


def test_saving() -> None:
    """Both ways to save keep the configuration and hand it to the owner of the device."""
    saved: list[str] = []
    bench = RouterBench()
    bench.router.on_save = saved.append
    assert bench.run("show startup-config") == "startup-config is not present"
    assert bench.run("write memory") == "Building configuration...\n[OK]"
    bench.run("configure terminal", "hostname R2")
    terminal = bench.terminal()
    terminal.run("enable")
    question = terminal.run("copy running-config startup-config")
    assert question.endswith("Destination filename [startup-config]? ")
    assert terminal.run("") == "\nBuilding configuration...\n[OK]\nR2#"
    assert len(saved) == 2
    assert "hostname R1\n" in saved[0]
    assert "hostname R2\n" in saved[1]
    assert saved[1].startswith("!\n! Last configuration change at 12:00:00 UTC Sun Mar 1 2026\n")
    assert bench.run("show startup-config").endswith(saved[1].rstrip("\n") + "\n")
    terminal.run("write erase")
    terminal.type("\r")
    assert bench.router.startup_config == ""


def test_configuration_size_is_counted() -> None:
    """The head of the configuration names the number of bytes that follow."""
    output = RouterBench().run("show running-config")
    head, _, text = output.partition(" bytes\n")
    assert head.endswith(f": {len(text)}")


def test_login_with_local_user() -> None:
    """A router with users asks for name and password and grants the user's privilege."""
    bench = RouterBench(users={"admin": "pw"})
    bench_admin = bench.terminal()
    assert bench_admin.greeting == b"\r\nUser Access Verification\r\n\r\nUsername: "
    assert bench_admin.run("admin") == "admin\nPassword: "
    assert bench_admin.run("pw") == "\nR1>"
    for line in ("enable", "configure terminal", "username boss privilege 15 secret s3cret", "end"):
        bench_admin.run(line)
    boss = bench.terminal(LineInfo(name="vty1", kind="vty", number=1, peer="192.0.2.1"))
    boss.run("boss")
    assert boss.run("s3cret") == "\nR1#"
    shown = boss.run("show users")
    assert "*  3 vty 1     boss       idle                 00:00:00 192.0.2.1" in shown
    assert "   2 vty 0     admin      idle" in shown
    configuration = boss.run("terminal length 0") + boss.run("show running-config")
    assert "username boss privilege 15 secret 8 $8$" in configuration
    assert "s3cret" not in configuration
    assert "Configured from console by admin on vty0 (192.0.2.9)" in bench.router.log_buffer[-1]


def test_failed_login_closes_the_line() -> None:
    """Three wrong passwords end the connection."""
    terminal = RouterBench(users={"admin": "pw"}).terminal()
    for _ in range(3):
        terminal.run("admin")
        output = terminal.run("wrong")
    assert "% Login invalid" in output
    assert terminal.console.is_closed


def test_enable_secret() -> None:
    """A configured secret is asked for; three failures leave the privilege as it was."""
    bench = RouterBench()
    bench.run("configure terminal", "enable secret 0 open sesame")
    terminal = bench.terminal()
    terminal.run("enable")
    terminal.run("x")
    terminal.run("x")
    assert terminal.run("x").endswith("% Bad secrets\n\nR1>")
    terminal.run("enable")
    assert terminal.run("open sesame") == "\nR1#"
    assert terminal.run("disable").endswith("R1>")
    assert "%" in terminal.run("configure terminal")


def test_console_comes_back_after_logout() -> None:
    """Leaving a console shows its idle screen again."""
    terminal = RouterBench().terminal(CONSOLE_LINE)
    assert "R1 con0 is now available" in terminal.shown(terminal.greeting)
    assert terminal.run("") == "\nR1>"
    assert "Press RETURN to get started." in terminal.run("exit")


def test_interfaces() -> None:
    """Addresses, state and made-up interfaces show in brief output and configuration."""
    bench = RouterBench()
    bench.run("configure terminal", "int gi0/1", "ip add 10.0.0.1 255.255.255.0", "no shut")
    bench.run("configure terminal", "interface loopback 5", "ip address 10.5.5.5 255.255.255.255")
    assert bench.run("show ip interface brief").split("\n") == [
        "Interface                  IP-Address      OK? Method Status                Protocol",
        "GigabitEthernet0/0         unassigned      YES unset  administratively down down",
        "GigabitEthernet0/1         10.0.0.1        YES manual up                    up",
        "GigabitEthernet0/2         unassigned      YES unset  administratively down down",
        "GigabitEthernet0/3         unassigned      YES unset  administratively down down",
        "Loopback5                  10.5.5.5        YES manual up                    up",
    ]
    assert bench.run("configure terminal", "interface g0/9").startswith(" " * 21 + "^")
    assert "Bad mask" in bench.run(
        "configure terminal", "int g0/1", "ip address 10.0.0.0 255.0.0.0"
    )
    assert "not permitted" in bench.run("configure terminal", "no interface g0/1")
    bench.run("configure terminal", "no interface Loopback5")
    bench.run("configure terminal", "interface g0/2", "ip address 10.7.7.7 255.0.0.0", "no shut")
    reset = bench.run("configure terminal", "default interface g0/2")
    assert reset == "Interface GigabitEthernet0/2 set to default configuration"
    assert "10.7.7.7" not in bench.run("show running-config")
    assert "Loopback5" not in bench.router.config.interfaces
    shown = bench.run("show running-config interface gi0/1")
    assert shown.endswith(
        "!\ninterface GigabitEthernet0/1\n ip address 10.0.0.1 255.255.255.0\nend\n"
    )
    bench.run("configure terminal", "interface g0/1", "shutdown")
    assert bench.router.log_buffer[-2].endswith("changed state to down")


def test_names_and_lookup() -> None:
    """Domain, hosts and lookup are configured, shown and taken back."""
    bench = RouterBench()
    terminal = bench.terminal()
    assert 'Translating "foo"...domain server (255.255.255.255)' in terminal.run("foo")
    bench.run("configure terminal", "no ip domain-lookup")
    output = terminal.run("foo")
    assert "Translating" not in output
    assert "% Unknown command or computer name, or unable to find computer address" in output
    bench.run("configure terminal", "ip host ca 10.0.0.9", "ip domain-name lab.example")
    assert "ca                        None  (perm, OK)  0   IP    10.0.0.9" in bench.run(
        "show hosts"
    )
    shown = bench.run("show running-config | include ip ")
    assert shown.split("\n")[:3] == [
        "ip domain name lab.example",
        "no ip domain lookup",
        "ip host ca 10.0.0.9",
    ]
    bench.run("configure terminal", "no ip host ca", "ip domain lookup", "no ip domain name")
    assert "ip domain" not in bench.run("show running-config")
    assert "illegal characters" in bench.run("configure terminal", "hostname -x")
    bench.run("configure terminal", "no hostname")
    assert bench.router.hostname == "Router"


def test_long_hostname_is_cut_in_prompts() -> None:
    """Prompts show twenty characters of the host name."""
    terminal = RouterBench(hostname="a-very-long-router-name").terminal()
    assert terminal.greeting == b"a-very-long-router-n>"


def test_time_zone() -> None:
    """Dates follow the configured zone."""
    bench = RouterBench()
    bench.run("configure terminal", "clock timezone MSK 3 0")
    assert bench.run("show clock") == "*15:00:00.000 MSK Sun Mar 1 2026"
    bench.run("configure terminal", "clock timezone X -3 30")
    assert bench.run("show clock") == "*08:30:00.000 X Sun Mar 1 2026"
    assert "clock timezone X -3 30" in bench.run("show running-config")
    assert "% Invalid" in bench.run("configure terminal", "clock timezone X 99")
    assert "% Invalid" in bench.run("clock set 25:00:00 1 May 2026")
    assert "% Invalid" in bench.run("clock set 12:00:00 1 Mai 2026")


def test_hand_off_configuration_is_kept() -> None:
    """IKE, EAP and 802.1X blocks stand in the configuration, each under its header."""
    bench = RouterBench()
    typed = [
        "crypto pki certificate map MAP 10",
        " issuer-name co cn = ca",
        "crypto ikev2 profile P",
        " match certificate MAP",
        " authentication local rsa-sig",
        " authentication remote rsa-sig",
        " pki trustpoint VPN sign",
        "crypto isakmp policy 10",
        " encryption aes",
        " group 14",
        "crypto isakmp profile IP",
        " ca trust-point VPN",
        "crypto ipsec profile X",
        " set ikev2-profile P",
        "eap profile E",
        " method tls",
        " pki-trustpoint VPN",
        "dot1x system-auth-control",
        "dot1x credentials C",
        " username R1",
        " pki-trustpoint VPN",
    ]
    terminal = bench.terminal()
    terminal.run("enable")
    terminal.run("configure terminal")
    for line in [*typed, "interface g0/2", " dot1x pae supplicant", " dot1x credentials C", "end"]:
        assert "%" not in terminal.run(line).replace("%SYS", ""), line
    shown = bench.run("show running-config").split("\n")
    assert [line for line in shown if line in typed] == typed
    assert bench.run("show running-config | section eap").split("\n") == typed[14:17]
    bench.run("configure terminal", "no eap profile E", "no dot1x credentials C")
    assert "eap profile" not in bench.run("show running-config")


def test_saved_configuration_can_be_typed_back() -> None:
    """What one router saves configures another one alike, certificates aside."""
    bench = RouterBench()
    bench.run("configure terminal", "ip domain name lab.example", "no ip domain lookup")
    bench.run("configure terminal", "line vty 0 4", "exec-timeout 5", "login local")
    bench.run("configure terminal", "interface g0/0", "ip address 10.0.0.1 255.0.0.0", "no shut")
    bench.run("configure terminal", "crypto pki trustpoint VPN", "enrollment url http://10.0.0.9")
    bench.run("configure terminal", "crypto pki trustpoint VPN", "subject-name CN=R1", "password x")
    bench.run("write memory")
    other = RouterBench(hostname="Router")
    # A configuration does not say "no shutdown": at start every interface is up.
    other.run("configure terminal", "interface g0/0", "no shutdown")
    terminal = other.terminal()
    terminal.run("enable")
    terminal.run("configure terminal")
    for line in bench.router.startup_config.split("\n"):
        assert "%" not in terminal.run(line).replace("%SYS", ""), line
    other.run("write memory")
    assert other.router.startup_config == bench.router.startup_config


def test_certificates_in_a_pasted_configuration_are_read_over() -> None:
    """A pasted certificate is swallowed to its ``quit`` and changes nothing."""
    bench = RouterBench()
    terminal = bench.terminal()
    terminal.run("enable")
    terminal.run("configure terminal")
    terminal.run("crypto pki certificate chain VPN")
    assert terminal.run(" certificate ca 01").endswith("R1(config-pubkey)#")
    terminal.run("  30820122 300D0609")
    assert terminal.run("  quit").endswith("R1(config-cert-chain)#")


def test_modes_and_prompts() -> None:
    """Each sub-mode has its prompt, and a global command leaves it."""
    terminal = RouterBench().terminal()
    terminal.run("enable")
    terminal.run("configure terminal")
    for line, prompt in [
        ("crypto pki trustpoint A", "ca-trustpoint"),
        ("crypto pki certificate map M 1", "ca-certificate-map"),
        ("crypto pki certificate chain A", "config-cert-chain"),
        ("crypto pki profile enrollment E", "ca-profile-enroll"),
        ("crypto isakmp policy 1", "config-isakmp"),
        ("crypto isakmp profile P", "conf-isa-prof"),
        ("crypto ikev2 proposal P", "config-ikev2-proposal"),
        ("crypto ikev2 policy P", "config-ikev2-policy"),
        ("crypto ikev2 profile P", "config-ikev2-profile"),
        ("interface g0/0", "config-if"),
        ("eap profile P", "config-eap-profile"),
        ("dot1x credentials C", "config-dot1x-creden"),
    ]:
        assert terminal.run(line).endswith(f"\nR1({prompt})#"), line
    assert "% Invalid input" in terminal.run("show clock")
    assert "2026" in terminal.run("do show clock")
    assert terminal.run("exit").endswith("\nR1(config)#")
    assert terminal.type("\x1a").endswith("R1#")


def test_profile_by_name() -> None:
    """The profile is found by its name, with the train as a choice."""
    profile = open_profile("cisco-ios")
    bench = RouterBench("recent")
    assert profile.title == "Cisco IOS 15.9 (IOSv)"
    assert bench.router.train.name == "recent"
    assert "Version 17.9.4a" in bench.run("show version")
    device = profile.new_device(port=bench.port, clock=bench.clock, train="strict")
    assert isinstance(device, Router)
    assert device.train.pin_required
    assert device.hostname == "Router"
    with pytest.raises(ProfileError, match="known: classic, recent, strict"):
        create_profile("15.0")


def test_line_settings_reach_sessions() -> None:
    """Time-out and synchronous logging hold for open sessions and for new ones."""
    bench = RouterBench()
    open_one = bench.terminal()
    bench.run("configure terminal", "line vty 0 4", "exec-timeout 2 30", "logging synchronous")
    new_one = bench.terminal(LineInfo(name="vty3", kind="vty", number=3))
    for terminal in (open_one, new_one):
        assert terminal.console.session.exec_timeout_s == 150.0
        assert terminal.console.session.synchronous
    console = bench.terminal(CONSOLE_LINE)
    assert console.console.session.exec_timeout_s == 0.0
    bench.run("configure terminal", "line vty 0 4", "no exec-timeout", "no logging synchronous")
    assert open_one.console.session.exec_timeout_s == 0.0
    assert not new_one.console.session.synchronous
