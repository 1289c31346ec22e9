"""Cisco's consoles under random typing: no command breaks, nothing but text reaches terminals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sceplab_devices.session import CONSOLE_LINE
from tests.support.asa import FirewallBench, asa_profile
from tests.support.console_typing import TypedConsole, every_form, no_failures
from tests.support.consoles import Terminal
from tests.support.device_bench import DeviceBench
from tests.support.ios import RouterBench, ios_profile
from tests.support.nxos import SwitchBench, nxos_profile, pem_lines

_KEYS = ("\t", "?", "\x03", "\x1a", "", "yes", "no", "otp")


def _on_router(bench: DeviceBench) -> Terminal:
    terminal = bench.terminal()
    terminal.run("enable")
    terminal.run("terminal length 0")
    return terminal


def _on_firewall(bench: DeviceBench) -> Terminal:
    terminal = bench.terminal(user="operator")
    terminal.console.session.privilege = 15
    terminal.run("terminal pager 0")
    return terminal


def _on_switch(bench: DeviceBench) -> Terminal:
    terminal = bench.terminal(user="operator")
    terminal.run("terminal length 0")
    return terminal


def _brought(bench: DeviceBench, what: str) -> list[str]:
    """What the operator of a switch has to paste now."""
    if what == "ca":
        return pem_lines(bench.port.authority)
    if bench.port.view("TP").pending_csr_der is None:
        return []
    return pem_lines(bench.port.ca_signs("TP"))


CONSOLES = {
    "ios": TypedConsole(
        trustpoint="VPN",
        profile=ios_profile,
        bench=RouterBench,
        variants=("classic", "recent", "strict"),
        operator=_on_router,
        opening=("", "enable", "terminal length 0", "configure terminal"),
        beforehand=("crypto pki trustpoint VPN", "enrollment url http://10.0.0.9"),
        answers=(*_KEYS, "2048", "10.0.0.1", "| include x"),
        scenes=[
            ["crypto pki authenticate VPN", "@ca_answers", "yes"],
            ["crypto pki enroll VPN", "otp", "otp", "yes", "no", "yes"],
            [
                *("crypto pki enroll VPN", "yes", "yes", "yes", "no", "yes", "@ca_pends"),
                "do show crypto pki cert",
            ],
            ["@ca_grants", "do show crypto pki certificates verbose", "do show running-config"],
            ["do show crypto pki trustpoints status", "do show crypto pki timers detail"],
            ["end", "show version", "configure terminal"],
        ],
        ways_in={
            "ca-trustpoint": ["crypto pki trustpoint VPN"],
            "config-cert-chain": ["crypto pki certificate chain VPN"],
            "config-if": ["interface g0/0"],
            "config-line": ["line vty 0 4"],
        },
        kinds={
            "number": "2048", "integer": "2048", "ipv4": "10.0.0.1", "url": "http://10.0.0.9",
            "time": "12:00:00", "interface": "Gi0/0", "interface-type": "loopback",
            "line": "CN=R1, O=x", "hex": "01",
        },
        shows=("show version", "Cisco IOS Software"),
    ),
    "asa": TypedConsole(
        trustpoint="TP",
        profile=asa_profile,
        bench=lambda _: FirewallBench(),
        operator=_on_firewall,
        opening=("enable", "", "terminal pager 0", "configure terminal"),
        beforehand=("crypto ca trustpoint TP", "enrollment url http://10.0.0.9"),
        answers=(*_KEYS, "2048", "quit", "show run | begin x"),
        scenes=[
            ["crypto ca authenticate TP", "@ca_answers", "yes"],
            ["crypto ca authenticate TP nointeractive", "@ca_answers"],
            ["crypto ca enroll TP", "otp", "otp", "no", "yes"],
            ["crypto ca enroll TP", "yes", "yes", "yes", "@ca_pends", "show crypto ca cert"],
            ["@ca_grants", "show crypto ca certificates", "show running-config", "write memory"],
            ["show crypto ca trustpoints", "show crypto key mypubkey rsa", "show logging"],
            ["no crypto ca trustpoint TP", "yes"],
            ["end", "show version", "configure terminal"],
        ],
        ways_in={
            "ca-trustpoint": ["crypto ca trustpoint TP"],
            "ca-crl": ["crypto ca trustpoint TP", "crl configure"],
            "cert-chain": ["crypto ca certificate chain TP"],
            "interface": ["interface g0/0"],
        },
        kinds={
            "number": "2048", "integer": "2", "ipv4": "10.0.0.1", "url": "http://10.0.0.9",
            "interface": "g0/0", "interface-type": "Management", "line": "CN=asa, O=x",
            "hex": "01",
        },
        shows=("show mode", "Security context mode"),
    ),
    "nxos": TypedConsole(
        trustpoint="TP",
        profile=nxos_profile,
        bench=lambda _: SwitchBench(),
        operator=_on_switch,
        opening=("terminal length 0", "configure terminal"),
        beforehand=(
            "crypto key generate rsa label TP", "crypto ca trustpoint TP", "rsakeypair TP", "exit",
        ),
        answers=(*_KEYS, "10.0.0.1", "END OF INPUT", "| count"),
        scenes=[
            ["crypto ca authenticate TP", "@ca", "END OF INPUT", "yes"],
            ["crypto ca enroll TP", "otp", "no", "yes", "x", "10.0.0.1"],
            ["crypto ca import TP certificate", "@certificate"],
            [f"crypto ca {verb} TP pkcs12 bootflash:x pass" for verb in ("export", "import")],
            ["show crypto ca certificates", "show running-config | section crypto | count"],
            ["crypto ca trustpoint TP", "delete certificate force", "delete ca-certificate"],
            ["end", "show version | egrep -v x | no-more", "configure terminal"],
        ],
        happenings=("ca", "certificate"),
        bring=_brought,
        ways_in={
            "any-line": ["line vty"],
            "trustpoint": ["crypto ca trustpoint TP"],
            "interface": ["interface e1/1"],
        },
        kinds={
            "number": "2048", "integer": "2", "ipv4": "10.0.0.1", "url": "bootflash:x",
            "line": "x y", "interface": "e1/1", "interface-type": "eth",
            "interface-number": "1/1", "prefix": "10.0.0.1/24",
        },
        shows=("show inventory", "Chassis"),
    ),
}  # fmt: skip
VARIANTS = [(name, variant) for name, console in CONSOLES.items() for variant in console.variants]


@pytest.mark.parametrize("platform", CONSOLES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_typing_breaks_a_command(platform: str, data: Any) -> None:
    """Whatever is typed, no handler fails, and the terminal gets plain text."""
    console = CONSOLES[platform]
    lines = data.draw(console.session())
    with no_failures():
        bench = console.bench(data.draw(st.sampled_from(console.variants)))
        terminal = bench.terminal(CONSOLE_LINE)
        for line in console.opening:
            terminal.run(line)
        for line in (*console.beforehand, *lines):
            if line.startswith("@"):
                for pasted in console.happen(bench, line[1:]):
                    terminal.type(pasted + "\r")
                terminal.later()
            else:
                terminal.type(line if line in "?\t\x03\x1a" else line + "\r")


@pytest.mark.parametrize("platform", CONSOLES)
@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=400))
def test_no_bytes_break_the_console(platform: str, data: bytes) -> None:
    """After anything the device answers a new session."""
    console = CONSOLES[platform]
    with no_failures():
        bench = console.bench(console.variants[0])
        terminal = bench.terminal(CONSOLE_LINE)
        for line in console.opening:
            terminal.run(line)
        terminal.type(data)
        command, words = console.shows
        assert words in console.operator(bench).run(command)


@pytest.mark.parametrize(("platform", "variant"), VARIANTS)
def test_every_command_in_every_form(platform: str, variant: str) -> None:
    """Each command of the tables, with each alternative, plain and negated, is carried out."""
    console = CONSOLES[platform]
    with no_failures():
        for mode, syntax in console.commands:
            _type(console, variant, mode, syntax)


def _type(console: TypedConsole, variant: str, mode: str, syntax: str) -> None:
    bench = console.bench(variant)
    for form in every_form(syntax):
        for prefix in console.prefixes(mode):
            terminal = console.operator(bench)
            for line in console.way_to(mode):
                terminal.run(line)
            output = terminal.run(prefix + form)
            if not prefix:
                assert "% Incomplete command" not in output, form
                assert "% Ambiguous command" not in output, form
            if not terminal.console.is_closed:
                terminal.run("yes")
            terminal.console.disconnect()
