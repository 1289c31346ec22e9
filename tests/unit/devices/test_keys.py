"""Received bytes become keys, however they were cut into pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_devices.keys import (
    BACKSPACE,
    ENTER,
    TYPE_AHEAD_LIMIT_BYTES,
    WORD_BACK,
    KeyReader,
)


def keys_of(*chunks: bytes, single: bool = False) -> list[str]:
    """All keys of some received pieces."""
    reader = KeyReader()
    found = []
    for chunk in chunks:
        reader.feed(chunk)
        while (key := reader.next(single=single)) is not None:
            found.append(key)
    return found


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\x00"])
def test_every_line_end_is_one_enter(end: bytes) -> None:
    """CR, LF, CR LF and CR NUL, also in pieces of one byte, also twice."""
    assert keys_of(b"a" + end + end) == ["a", ENTER, ENTER]
    assert keys_of(*(bytes((byte,)) for byte in b"a" + end + b"b" + end)) == [
        "a",
        ENTER,
        "b",
        ENTER,
    ]


def test_a_line_feed_after_something_else_counts() -> None:
    """Only the LF directly behind a CR belongs to it."""
    assert keys_of(b"\r", b"a", b"\n") == [ENTER, "a", ENTER]
    assert keys_of(b"\n\r\n") == [ENTER, ENTER]


def test_text_comes_in_runs_and_help_alone() -> None:
    """``?`` needs no Enter, so it is a key of its own."""
    assert keys_of(b"show ip?x") == ["show ip", "?", "x"]
    assert keys_of(b"ab?", single=True) == ["a", "b", "?"]


@pytest.mark.parametrize(
    ("sequence", "key"),
    [
        (b"\x1b[A", "\x10"),
        (b"\x1b[B", "\x0e"),
        (b"\x1b[C", "\x06"),
        (b"\x1b[D", "\x02"),
        (b"\x1bOA", "\x10"),
        (b"\x1b[H", "\x01"),
        (b"\x1b[F", "\x05"),
        (b"\x1b[3~", "\x04"),
        (b"\x1b[1;5D", "\x02"),
        (b"\x1bb", WORD_BACK),
        (b"\x1bB", WORD_BACK),
        (b"\x7f", BACKSPACE),
        (b"\x08", BACKSPACE),
    ],
)
def test_cursor_keys_are_the_control_keys_that_do_the_same(sequence: bytes, key: str) -> None:
    """Whole, or one byte at a time."""
    assert keys_of(sequence) == [key]
    assert keys_of(*(bytes((byte,)) for byte in sequence)) == [key]


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"\x1b[5~x", ["x"]),
        (b"\x1b[Zx", ["x"]),
        (b"\x1b[99999999999999999999x", list("99999999999999999999x")),
        (b"\x1bzx", ["zx"]),
        (b"\x1b\x1b[A", ["\x10"]),
        (b"a\xff\x80\x00b\xc3\xa9", ["a", "b"]),
    ],
)
def test_what_is_no_key_is_dropped(data: bytes, keys: list[str]) -> None:
    """Unknown sequences, bytes above ASCII, NUL."""
    assert "".join(keys_of(data)) == "".join(keys)


def test_an_interrupt_drops_what_was_typed_before_it() -> None:
    """Ctrl-C and Ctrl-Shift-6 alike; what follows stays."""
    reader = KeyReader()
    reader.feed(b"abc\x03def\x1eghi")
    assert reader.take_interrupt()
    assert not reader.take_interrupt()
    assert reader.next() == "ghi"


def test_type_ahead_is_bounded() -> None:
    """More than the limit is forgotten."""
    reader = KeyReader()
    reader.feed(b"x" * (TYPE_AHEAD_LIMIT_BYTES + 5))
    reader.trim()
    assert len(reader) == TYPE_AHEAD_LIMIT_BYTES


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_pieces_do_not_matter(data: bytes, cuts: list[int]) -> None:
    """Any cutting of any bytes gives the same keys, text runs joined."""
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert "".join(keys_of(*pieces)) == "".join(keys_of(data))
