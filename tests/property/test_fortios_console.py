"""A FortiGate under random typing: no command breaks, nothing but text reaches the terminal."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.console_typing import HAPPENINGS, no_failures
from tests.support.fortigate import URL, FortiBench

BOX = FortiBench().box
PATHS = [" ".join(path) for path in BOX.schema.typed()]
ATTRIBUTES = sorted({name for table in BOX.schema.tables.values() for name in table.attributes})
WORDS = [
    "VPN", "CA_Cert_1", "1", "0", "x", '""', '"', "'", "\\", "enable", "802.1X", "10.0.0.1/24",
    "ENC", "to", "before", "| grep -f VPN", "| grep -ci a", "| grep [", "?", "\t", "2026-02-31",
]  # fmt: skip
VERBS = [
    "config", "edit", "set", "unset", "append", "unselect", "next", "end", "abort", "delete",
    "rename", "move", "purge", "show", "get", "tree", "exit", "diagnose", "execute",
]  # fmt: skip
SCENES = [
    [f"execute vpn certificate ca import auto {URL}", "@ca_answers", "get vpn certificate ca det"],
    [f'execute vpn cert local generate rsa VPN 2048 a "" "" "" "" "" "" "" {URL} OTP'],
    ["execute vpn certificate local generate ec W secp256r1 a", "show vpn certificate local"],
    ["config vpn certificate local", "edit VPN", "get", "next", "delete VPN", "end"],
    ["config system global", "set vdom-mode multi-vdom", "end", "y", "config global"],
    ["config vdom", "edit root", "show full-configuration"],
    ["diagnose debug application scep -1", "diagnose debug enable"],
    ["execute factoryreset", "y"],
]


@st.composite
def typed_line(draw: st.DrawFn) -> list[str]:
    """A line near a command."""
    first = draw(st.sampled_from(VERBS))
    middle = draw(st.sampled_from([*PATHS, *BOX_COMMANDS, *ATTRIBUTES]))
    rest = draw(st.lists(st.sampled_from([*WORDS, *PATHS]), max_size=3))
    return [" ".join([first, middle, *rest])]


BOX_COMMANDS = [" ".join(path[1:]) for path in BOX.commands]
PIECES = st.one_of(
    typed_line(),
    typed_line(),
    st.sampled_from(SCENES),
    st.sampled_from([[f"@{name}"] for name in HAPPENINGS]),
    st.text(st.characters(codec="latin-1"), max_size=20).map(lambda text: [text]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, min_size=8, max_size=20))
def test_no_typing_breaks_a_command(pieces: list[list[str]]) -> None:
    """Whatever is typed, no handler fails, and the terminal gets plain text."""
    with no_failures():
        bench = FortiBench()
        terminal = bench.operator()
        for line in (line for piece in pieces for line in piece):
            if terminal.console.is_closed:
                terminal = bench.operator()
            if line.startswith("@"):
                for trustpoint in (*bench.box.imports, "VPN"):
                    bench.port.happen(line[1:], trustpoint)
                terminal.later()
            else:
                terminal.type(line + "\r")
        bench.restart()
        bench.operator().run("show")
