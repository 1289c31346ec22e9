"""Whatever is typed, in whatever pieces: a console never raises and shows text only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sceplab_devices.session import LineInfo
from tests.support.consoles import CONSOLE_LINE, VTY, Terminal
from tests.support.sample_profile import create_profile

PROFILE = create_profile()
TERMINAL_SET = frozenset(b"\r\n\b\a") | frozenset(range(0x20, 0x7F))
LINES = st.sampled_from(
    ["show version", "sh lines 60", "enable", "conf t", "site a", "color red", "wipe x", "secret",
     "reload", "wait TP", "banner", "quit", "end", "exit", "yes", "make key", "do sh ver | inc x",
     "terminal length 4", "terminal monitor", "say hi", "no hostname", "?", "sh ?", "te\t"]
)  # fmt: skip
TYPING = st.lists(
    st.one_of(
        LINES.map(lambda line: line.encode() + b"\r"),
        st.binary(max_size=30),
        st.sampled_from([b"\x03", b"\x1a", b"\x1e", b" ", b"q", b"\x1b[A", b"\x7f"]),
    ),
    max_size=30,
)


@given(TYPING, st.sampled_from([VTY, CONSOLE_LINE]), st.lists(st.integers(0, 29), max_size=4))
def test_a_console_never_raises_and_shows_text_only(
    typing: list[bytes], line: LineInfo, happenings: list[int]
) -> None:
    """Events, log lines and time come in between; only the terminal's characters come out."""
    terminal = Terminal(PROFILE, line=line)
    console = terminal.console
    shown = [terminal.greeting]
    for place, keys in enumerate(typing):
        shown.append(console.receive(keys))
        if place in happenings:
            terminal.port.publish("pending", "TP")
            terminal.device.log("%TEST: line")
            console.tick(terminal.clock.advance(40))
            shown.append(console.take_output())
    assert frozenset(b"".join(shown)) <= TERMINAL_SET
    console.disconnect()
    assert terminal.device.consoles == []


def state(terminal: Terminal) -> tuple[object, ...]:
    """Everything that typing can change."""
    session, device = terminal.console.session, terminal.device
    modes = [(frame.mode.id, dict(frame.values)) for frame in session.frames]
    typed = terminal.console._editor.text
    return modes, session.privilege, session.length, typed, device.hostname, vars(device)["colors"]


@given(TYPING)
def test_pieces_do_not_matter(typing: list[bytes]) -> None:
    """One byte at a time does what one piece does."""
    data = b"".join(typing).replace(b"\x03", b"").replace(b"\x1e", b"")
    whole, bytewise = Terminal(PROFILE), Terminal(PROFILE)
    whole.console.receive(data)
    for byte in data:
        bytewise.console.receive(bytes((byte,)))
    assert state(bytewise) == state(whole)
