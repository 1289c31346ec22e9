"""An NX-OS switch under random typing: no command breaks, nothing but text reaches the terminal."""

from __future__ import annotations

import logging
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from sceplab_devices.session import CONSOLE_LINE
from tests.support.nxos import SwitchBench, nxos_profile, pem_lines

ANSWERS = ["", "yes", "no", "otp", "10.0.0.1", "?", "\t", "END OF INPUT", "\x03", "\x1a", "| count"]
SCENES = [
    ["crypto ca authenticate TP", "@ca", "END OF INPUT", "yes"],
    ["crypto ca enroll TP", "otp", "no", "yes", "x", "10.0.0.1"],
    ["crypto ca import TP certificate", "@certificate"],
    ["crypto ca export TP pkcs12 bootflash:x pass", "crypto ca import TP pkcs12 bootflash:x pass"],
    ["show crypto ca certificates", "show running-config | section crypto | count"],
    ["crypto ca trustpoint TP", "delete certificate force", "delete ca-certificate", "exit"],
    ["end", "show version | egrep -v x | no-more", "configure terminal"],
]
HAPPENINGS = ["ca", "certificate"]
WAYS_IN = {
    "config": [],
    "any-line": ["line vty"],
    "trustpoint": ["crypto ca trustpoint TP"],
    "interface": ["interface e1/1"],
}
KINDS = {
    "number": "2048", "integer": "2", "ipv4": "10.0.0.1", "url": "bootflash:x", "line": "x y",
    "interface": "e1/1", "interface-type": "eth", "interface-number": "1/1",
    "prefix": "10.0.0.1/24",
}  # fmt: skip


def typed(syntax: str) -> str:
    """One way to type a command's parameters."""
    text = re.sub(r"<\w+:(\d+)-\d+>", r"\1", syntax)
    return re.sub(r"<\w+:([\w-]+)>", lambda found: KINDS.get(found[1], "TP"), text)


COMMANDS = sorted(
    {
        (mode if mode not in ("anywhere", "any-config") else "config", typed(command.syntax))
        for command in nxos_profile().commands
        for mode in command.modes
    }
)
WAYS_IN |= {
    str(command.options["mode"]): [typed(command.syntax)]
    for command in nxos_profile().commands
    if "mode" in command.options
}


def every_form(line: str) -> list[str]:
    """All ways to type a command, with each of its alternatives."""
    found = re.search(r"\{([^{}]*)\}\*?|\[([^\[\]{}]*)\]", line)
    if found is None:
        return [" ".join(line.split())]
    choices = (found[1] or found[2]).split("|")
    return [
        form
        for choice in ([*choices, ""] if found[2] else choices)
        for form in every_form(line[: found.start()] + choice + line[found.end() :])
    ]


@st.composite
def typed_command(draw: st.DrawFn) -> list[str]:
    """A line near a command, in its mode: one of its forms, perhaps negated or cut short."""
    mode, syntax = draw(st.sampled_from(COMMANDS))
    line = draw(st.sampled_from(every_form(syntax)))
    if draw(st.integers(0, 9)) == 0:
        line = line[: draw(st.integers(0, len(line)))]
    prefix = draw(st.sampled_from(["", "", "no ", "default "]))
    return ["configure terminal", *WAYS_IN[mode], prefix + line]


@st.composite
def session(draw: st.DrawFn) -> list[str]:
    """What is typed and what happens meanwhile (``@`` first)."""
    pieces = st.one_of(
        typed_command(),
        typed_command(),
        st.sampled_from([[answer] for answer in ANSWERS]),
        st.sampled_from([[f"@{name}"] for name in HAPPENINGS]),
        st.sampled_from(SCENES),
    )
    return [line for piece in draw(st.lists(pieces, min_size=10, max_size=25)) for line in piece]


@settings(max_examples=100, deadline=None)
@given(session())
def test_no_typing_breaks_a_command(lines: list[str]) -> None:
    """Whatever is typed, no handler fails, and the terminal gets plain text."""
    with _Watched() as failures:
        bench = SwitchBench()
        terminal = bench.terminal(CONSOLE_LINE)
        for line in ("terminal length 0", "configure terminal"):
            terminal.run(line)
        for line in (
            "crypto key generate rsa label TP",
            "crypto ca trustpoint TP",
            "rsakeypair TP",
            "exit",
            *lines,
        ):
            if line.startswith("@"):
                for pasted in _brought(bench, line[1:]):
                    terminal.type(pasted + "\r")
            else:
                terminal.type(line if line in "?\t\x03\x1a" else line + "\r")
    assert failures == []


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_console(data: bytes) -> None:
    """After anything the device answers a new session."""
    with _Watched() as failures:
        bench = SwitchBench()
        terminal = bench.terminal(CONSOLE_LINE)
        for line in ("terminal length 0", "configure terminal"):
            terminal.run(line)
        terminal.type(data)
        assert "Chassis" in bench.terminal(CONSOLE_LINE).run("show inventory")
    assert failures == []


def test_every_command_in_every_form() -> None:
    """Each command of the tables, with each alternative, plain and negated, is carried out."""
    with _Watched() as failures:
        for mode, syntax in COMMANDS:
            for form in every_form(syntax):
                _type(mode, form)
    assert failures == []


def _type(mode: str, form: str) -> None:
    bench = SwitchBench()
    for prefix in ("", "no ", "default "):
        terminal = bench.terminal(user="operator")
        for line in ("terminal length 0", "configure terminal", *WAYS_IN[mode]):
            terminal.run(line)
        output = terminal.run(prefix + form)
        if not prefix:
            assert "% Incomplete command" not in output, form
            assert "% Ambiguous command" not in output, form
        terminal.console.disconnect()


class _Watched(logging.Handler):
    """Keeps the tracebacks that the engine logs while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.failures: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.failures.append(logging.Formatter().format(record))

    def __enter__(self) -> list[str]:
        logging.getLogger("sceplab_devices").addHandler(self)
        return self.failures

    def __exit__(self, *_: object) -> None:
        logging.getLogger("sceplab_devices").removeHandler(self)


def _brought(bench: SwitchBench, what: str) -> list[str]:
    """What the operator has to paste now."""
    if what == "ca":
        return pem_lines(bench.port.authority)
    if bench.port.view("TP").pending_csr_der is None:
        return []
    return pem_lines(bench.port.ca_signs("TP"))
