"""An IOS router under random typing: no command breaks, nothing but text reaches the terminal."""

from __future__ import annotations

import logging
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sceplab_devices.session import CONSOLE_LINE
from tests.support.ios import RouterBench, ios_profile

ANSWERS = ["", "yes", "no", "otp", "2048", "?", "\t", "10.0.0.1", "\x03", "\x1a", "| include x"]
SCENES = [
    ["crypto pki authenticate VPN", "@ca_answers", "yes"],
    ["crypto pki enroll VPN", "otp", "otp", "yes", "no", "yes"],
    [
        "crypto pki enroll VPN",
        "yes",
        "yes",
        "yes",
        "no",
        "yes",
        "@ca_pends",
        "do show crypto pki cert",
    ],
    ["@ca_grants", "do show crypto pki certificates verbose", "do show running-config"],
    ["do show crypto pki trustpoints status", "do show crypto pki timers detail"],
    ["end", "show version", "configure terminal"],
]
HAPPENINGS = ["ca_answers", "ca_is_silent", "ca_grants", "ca_pends", "ca_rejects", "poll", "renew"]


def _typed(syntax: str) -> str:
    """One way to type a command, from its syntax."""
    text = re.sub(r"<\w+:(\d+)-\d+>", r"\1", syntax)
    text = re.sub(r"<\w+:(?:number|integer)>", "2048", text)
    text = re.sub(r"<\w+:ipv4>", "10.0.0.1", text)
    text = re.sub(r"<\w+:url>", "http://10.0.0.9", text)
    text = re.sub(r"<\w+:time>", "12:00:00", text)
    text = re.sub(r"<\w+:interface>", "Gi0/0", text)
    text = re.sub(r"<\w+:interface-type>", "loopback", text)
    text = re.sub(r"<\w+:line>", "CN=R1, O=x", text)
    text = re.sub(r"<[\w-]+:hex>", "01", text)
    text = re.sub(r"<[\w-]+:\w+>", "VPN", text)
    return text.replace("!", "")


WAYS_IN = {
    "ca-trustpoint": "crypto pki trustpoint VPN",
    "config-cert-chain": "crypto pki certificate chain VPN",
    "config-if": "interface g0/0",
    "config-line": "line vty 0 4",
}


def _ways_in() -> dict[str, str]:
    """The line that opens each sub-mode."""
    stored = {
        str(command.options["mode"]): _plain(_typed(command.syntax))
        for command in ios_profile().commands
        if "mode" in command.options
    }
    return WAYS_IN | stored


def _plain(line: str) -> str:
    return line.replace("{pki | ca}", "pki")


COMMANDS = sorted(
    {(mode, _typed(command.syntax)) for command in ios_profile().commands for mode in command.modes}
)
ENTER = _ways_in()


@st.composite
def typed_command(draw: st.DrawFn) -> list[str]:
    """A line near a command, in its mode: one of its forms, perhaps negated or cut short."""
    mode, line = draw(st.sampled_from(COMMANDS))
    while found := re.search(r"\{([^{}]*)\}\*?|\[([^\[\]{}]*)\]", line):
        choices = (found[1] or found[2]).split("|")
        chosen = draw(st.sampled_from([*choices, ""] if found[2] else choices))
        line = line[: found.start()] + chosen + line[found.end() :]
    line = " ".join(line.split())
    if draw(st.integers(0, 9)) == 0:
        line = line[: draw(st.integers(0, len(line)))]
    if mode == "exec":
        return ["end", line]
    prefix = draw(st.sampled_from(["", "", "no ", "default "]))
    return ["configure terminal", *([ENTER[mode]] if mode in ENTER else []), prefix + line]


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
@given(
    session(),
    st.sampled_from(["classic", "recent", "strict"]),
)
def test_no_typing_breaks_a_command(lines: list[str], train: str) -> None:
    """Whatever is typed, no handler fails, and the terminal gets plain text."""
    failures: list[str] = []
    watcher = _Watcher(failures)
    logging.getLogger("sceplab_devices").addHandler(watcher)
    try:
        bench = RouterBench(train)
        terminal = bench.terminal(CONSOLE_LINE)
        for line in ("", "enable", "terminal length 0", "configure terminal"):
            terminal.run(line)
        for line in ("crypto pki trustpoint VPN", "enrollment url http://10.0.0.9", *lines):
            if line.startswith("@"):
                _happen(bench, line[1:])
                terminal.later()
            else:
                terminal.type(line if line in "?\t\x03\x1a" else line + "\r")
    finally:
        logging.getLogger("sceplab_devices").removeHandler(watcher)
    assert failures == []


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


@pytest.mark.parametrize("train", ["classic", "recent", "strict"])
def test_every_command_in_every_form(train: str) -> None:
    """Each command of the tables, with each alternative, plain and negated, is carried out."""
    failures: list[str] = []
    watcher = _Watcher(failures)
    logging.getLogger("sceplab_devices").addHandler(watcher)
    try:
        for mode, syntax in COMMANDS:
            _type_all_forms(train, mode, syntax)
    finally:
        logging.getLogger("sceplab_devices").removeHandler(watcher)
    assert failures == []


def _type_all_forms(train: str, mode: str, syntax: str) -> None:
    bench = RouterBench(train, hostname="R1")
    prefixes = [""] if mode == "exec" else ["", "no ", "default "]
    for form in every_form(syntax):
        for prefix in prefixes:
            terminal = bench.terminal()
            way = [] if mode == "exec" else ["configure terminal", ENTER.get(mode, "")]
            for line in ("enable", "terminal length 0", *way):
                terminal.run(line)
            output = terminal.run(prefix + form)
            if not prefix:
                assert "% Incomplete command" not in output, form
                assert "% Ambiguous command" not in output, form
            if not terminal.console.is_closed:
                terminal.run("yes")
            terminal.console.disconnect()


class _Watcher(logging.Handler):
    """Keeps the tracebacks that the engine logs."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.failures = failures

    def emit(self, record: logging.LogRecord) -> None:
        self.failures.append(logging.Formatter().format(record))


def _happen(bench: RouterBench, name: str) -> None:
    """Lets something happen to the trustpoint if it can."""
    view = bench.port.view("VPN")
    is_out = bench.port.has_request("VPN")
    possible = {
        "ca_answers": view.state == "CA_FETCH",
        "ca_is_silent": view.state == "CA_FETCH",
        "renew": view.certificate_der is not None and not is_out,
        "poll": view.pending_csr_der is not None,
    }
    if possible.get(name, is_out):
        getattr(bench.port, name)("VPN")
