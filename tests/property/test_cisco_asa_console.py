"""An ASA under random typing: no command breaks, nothing but text reaches the terminal."""

from __future__ import annotations

import logging
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from sceplab_devices.session import CONSOLE_LINE
from tests.support.asa import FirewallBench, asa_profile

ANSWERS = ["", "yes", "no", "otp", "2048", "?", "\t", "quit", "\x03", "\x1a", "show run | begin x"]
SCENES = [
    ["crypto ca authenticate TP", "@ca_answers", "yes"],
    ["crypto ca authenticate TP nointeractive", "@ca_answers"],
    ["crypto ca enroll TP", "otp", "otp", "no", "yes"],
    ["crypto ca enroll TP", "yes", "yes", "yes", "@ca_pends", "show crypto ca cert"],
    ["@ca_grants", "show crypto ca certificates", "show running-config", "write memory"],
    ["show crypto ca trustpoints", "show crypto key mypubkey rsa", "show logging"],
    ["no crypto ca trustpoint TP", "yes"],
    ["end", "show version", "configure terminal"],
]
HAPPENINGS = ["ca_answers", "ca_is_silent", "ca_grants", "ca_pends", "ca_rejects", "poll", "renew"]
WAYS_IN = {
    "config": [],
    "ca-trustpoint": ["crypto ca trustpoint TP"],
    "ca-crl": ["crypto ca trustpoint TP", "crl configure"],
    "cert-chain": ["crypto ca certificate chain TP"],
    "interface": ["interface g0/0"],
}
KINDS = {
    "number": "2048", "integer": "2", "ipv4": "10.0.0.1", "url": "http://10.0.0.9",
    "interface": "g0/0", "interface-type": "Management", "line": "CN=asa, O=x", "hex": "01",
}  # fmt: skip


def typed(syntax: str) -> str:
    """One way to type a command's parameters."""
    text = re.sub(r"<\w+:(\d+)-\d+>", r"\1", syntax)
    return re.sub(r"<\w+:([\w-]+)>", lambda found: KINDS.get(found[1], "TP"), text)


COMMANDS = sorted(
    {
        (mode if mode not in ("anywhere", "any-config") else "config", typed(command.syntax))
        for command in asa_profile().commands
        for mode in command.modes
    }
)
WAYS_IN |= {
    str(command.options["mode"]): [typed(command.syntax)]
    for command in asa_profile().commands
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
        bench = FirewallBench()
        terminal = bench.terminal(CONSOLE_LINE)
        for line in ("enable", "", "terminal pager 0", "configure terminal"):
            terminal.run(line)
        for line in ("crypto ca trustpoint TP", "enrollment url http://10.0.0.9", *lines):
            if line.startswith("@"):
                _happen(bench, line[1:])
                terminal.later()
            else:
                terminal.type(line if line in "?\t\x03\x1a" else line + "\r")
    assert failures == []


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_console(data: bytes) -> None:
    """After anything the device answers a new session."""
    with _Watched() as failures:
        bench = FirewallBench()
        terminal = bench.terminal(CONSOLE_LINE)
        for line in ("enable", "", "configure terminal"):
            terminal.run(line)
        terminal.type(data)
        assert "Security context mode" in bench.terminal(CONSOLE_LINE).run("show mode")
    assert failures == []


def test_every_command_in_every_form() -> None:
    """Each command of the tables, with each alternative, plain and negated, is carried out."""
    with _Watched() as failures:
        for mode, syntax in COMMANDS:
            for form in every_form(syntax):
                _type(mode, form)
    assert failures == []


def _type(mode: str, form: str) -> None:
    bench = FirewallBench()
    for prefix in ("", "no ", "default "):
        terminal = bench.terminal(user="operator")
        terminal.console.session.privilege = 15
        for line in ("terminal pager 0", "configure terminal", *WAYS_IN[mode]):
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


def _happen(bench: FirewallBench, name: str) -> None:
    """Lets something happen to the trustpoint if it can."""
    view = bench.port.view("TP")
    is_out = bench.port.has_request("TP")
    possible = {
        "ca_answers": view.state == "CA_FETCH",
        "ca_is_silent": view.state == "CA_FETCH",
        "renew": view.certificate_der is not None and not is_out,
        "poll": view.pending_csr_der is not None,
    }
    if possible.get(name, is_out):
        getattr(bench.port, name)("TP")
