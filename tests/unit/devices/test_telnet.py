"""Telnet as a codec: what is negotiated, what is data, and what can never happen."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_devices.lines.telnet import SUBNEGOTIATION_LIMIT_BYTES, TelnetCodec

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240


class Peer:
    """A codec and the window sizes that it told."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.codec = TelnetCodec(lambda columns, rows: self.sizes.append((columns, rows)))

    def send(self, *data: int | bytes) -> tuple[bytes, bytes]:
        """Typed bytes and answer."""
        whole = b"".join(bytes((part,)) if isinstance(part, int) else part for part in data)
        return self.codec.decode(whole)


@pytest.fixture
def peer() -> Peer:
    """A fresh connection."""
    return Peer()


def test_the_server_offers_echo_and_character_mode_first(peer: Peer) -> None:
    """WILL ECHO, WILL SUPPRESS-GO-AHEAD, DO NAWS."""
    assert peer.codec.opening() == bytes.fromhex("fffb01 fffb03 fffd1f")


def test_text_passes_and_ff_is_doubled(peer: Peer) -> None:
    """Both ways; line ends are left to the console."""
    assert peer.send(b"show\r\nab\r\x00") == (b"show\r\nab\r\x00", b"")
    assert peer.send(b"a", IAC, IAC, b"b") == (b"a\xffb", b"")
    assert peer.codec.encode(b"a\xffb") == b"a\xff\xffb"


@pytest.mark.parametrize(
    ("received", "answer"),
    [
        ((DO, 1), b""),
        ((DO, 3), b""),
        ((DO, 0), bytes((IAC, WILL, 0))),
        ((DO, 24), bytes((IAC, WONT, 24))),
        ((WILL, 31), b""),
        ((WILL, 3), bytes((IAC, DO, 3))),
        ((WILL, 0), bytes((IAC, DO, 0))),
        ((WILL, 1), bytes((IAC, DONT, 1))),
        ((WILL, 39), bytes((IAC, DONT, 39))),
        ((DONT, 1), bytes((IAC, WONT, 1))),
        ((DONT, 24), b""),
        ((WONT, 31), bytes((IAC, DONT, 31))),
        ((WONT, 24), b""),
    ],
)
def test_only_a_change_is_answered(peer: Peer, received: tuple[int, int], answer: bytes) -> None:
    """And only once, however often the peer asks."""
    assert peer.send(IAC, *received) == (b"", answer)
    assert peer.send(*(IAC, *received) * 50) == (b"", b"")


def test_a_timing_mark_and_are_you_there_are_answered(peer: Peer) -> None:
    """Programs wait for these."""
    assert peer.send(IAC, DO, 6) == (b"", bytes((IAC, WILL, 6)))
    assert peer.send(IAC, 246) == (b"", b"\r\n[Yes]\r\n")


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        (244, b"\x03"),
        (243, b"\x1e"),
        (247, b"\x7f"),
        (248, b"\x15"),
        (241, b""),
        (249, b""),
        (0, b""),
    ],
)
def test_commands_that_stand_for_keys(peer: Peer, command: int, typed: bytes) -> None:
    """Interrupt, break, erase character, erase line; others are nothing."""
    assert peer.send(b"a", IAC, command, b"b") == (b"a" + typed + b"b", b"")


def test_the_window_size_is_told(peer: Peer) -> None:
    """Columns and rows; a doubled FF inside is one byte; a wrong length is ignored."""
    peer.send(
        IAC,
        SB,
        b"\x1f\x00\x50\x00\x18",
        IAC,
        SE,
        IAC,
        SB,
        b"\x1f\x00",
        IAC,
        IAC,
        b"\x00\x32",
        IAC,
        SE,
    )
    peer.send(IAC, SB, b"\x1f\x00\x50", IAC, SE, IAC, SB, b"\x18\x00abc", IAC, SE)
    assert peer.sizes == [(80, 24), (255, 50)]


def test_a_long_subnegotiation_is_dropped(peer: Peer) -> None:
    """Without keeping it, in one piece or many; what follows it counts."""
    junk = b"x" * 1000
    assert peer.send(IAC, SB, b"\x1f" + junk, IAC, IAC, junk, IAC, SE, b"ok") == (b"ok", b"")
    assert peer.send(IAC, SB, b"\x1f") == (b"", b"")
    for _ in range(1000):
        assert peer.send(junk) == (b"", b"")
        assert len(peer.codec._pending) <= SUBNEGOTIATION_LIMIT_BYTES
    assert peer.send(IAC) == (b"", b"")
    assert peer.send(SE, b"ok") == (b"ok", b"")


@given(st.binary(max_size=120), st.lists(st.integers(0, 120), max_size=6))
def test_pieces_do_not_matter(data: bytes, cuts: list[int]) -> None:
    """Any cutting of any bytes gives the same text, answers and sizes."""
    whole, pieces = Peer(), Peer()
    typed, answer = whole.send(data)
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    results = [pieces.send(data[a:b]) for a, b in pairwise(places)]
    assert b"".join(result[0] for result in results) == typed
    assert b"".join(result[1] for result in results) == answer
    assert pieces.sizes == whole.sizes


@given(st.binary(max_size=200))
def test_escaped_data_comes_back(data: bytes) -> None:
    """The codec is binary safe."""
    peer = Peer()
    assert peer.send(peer.codec.encode(data)) == (data, b"")
