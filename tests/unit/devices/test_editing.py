"""Editing keys change the line, and what they print makes a terminal show that line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_devices.editing import BELL, LineEditor
from sceplab_devices.keys import (
    BACKSPACE,
    WORD_BACK,
    WORD_CAPITAL,
    WORD_DELETE,
    WORD_FORWARD,
    WORD_LOWER,
    WORD_UPPER,
    YANK,
    YANK_OLDER,
)

CONTROLS = [
    *map(chr, range(1, 27)), BACKSPACE, WORD_BACK, WORD_DELETE, WORD_FORWARD, WORD_CAPITAL,
    WORD_LOWER, WORD_UPPER, YANK_OLDER,
]  # fmt: skip


class GlassLine:
    """One line of a terminal: what stands on it and where the cursor is."""

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.at = 0

    def show(self, text: str) -> None:
        """Prints as a terminal does."""
        for char in text:
            if char == "\b":
                assert self.at > 0, "the cursor left the line to the left"
                self.at -= 1
            elif char != BELL:
                self.cells[self.at : self.at + 1] = [char]
                self.at += 1

    @property
    def text(self) -> str:
        """The line without the blanks that wiped something."""
        return "".join(self.cells).rstrip()


def edited(text: str, *keys: str) -> tuple[str, int]:
    """Line and cursor after typing some text and some keys, checked against the glass."""
    editor = LineEditor(100)
    glass = GlassLine()
    glass.show(editor.insert(text))
    for key in keys:
        shown = editor.insert(key) if key.isprintable() else editor.control(key, with_history=True)
        glass.show(shown)
    assert glass.text == editor.text.rstrip()
    assert glass.at == editor.cursor
    return editor.text, editor.cursor


A, B, D, E, F, K, T, U, W, X = (chr(ord(letter) - 64) for letter in "ABDEFKTUWX")


@pytest.mark.parametrize(
    ("keys", "result"),
    [
        ([A], ("show ip route", 0)),
        ([A, E], ("show ip route", 13)),
        ([B, B], ("show ip route", 11)),
        ([A, F], ("show ip route", 1)),
        ([A, B], ("show ip route", 0)),
        ([E, F], ("show ip route", 13)),
        ([BACKSPACE], ("show ip rout", 12)),
        ([B, B, BACKSPACE], ("show ip rote", 10)),
        ([A, BACKSPACE], ("show ip route", 0)),
        ([A, D], ("how ip route", 0)),
        ([D], ("show ip route", 13)),
        ([U], ("", 0)),
        ([X], ("", 0)),
        ([B, U], ("e", 0)),
        ([B, B, K], ("show ip rou", 11)),
        ([W], ("show ip ", 8)),
        ([W, W], ("show ", 5)),
        ([W, W, W, W], ("", 0)),
        ([B, T], ("show ip rouet", 13)),
        ([T], ("show ip rouet", 13)),
        ([WORD_BACK], ("show ip route", 8)),
        ([WORD_BACK, WORD_BACK], ("show ip route", 5)),
        ([A, WORD_FORWARD], ("show ip route", 4)),
        ([A, WORD_FORWARD, WORD_FORWARD], ("show ip route", 7)),
        ([A, WORD_DELETE], (" ip route", 0)),
        ([A, "x"], ("xshow ip route", 1)),
        ([A, WORD_CAPITAL, WORD_CAPITAL], ("Show Ip route", 7)),
        ([A, WORD_UPPER, WORD_LOWER], ("SHOW ip route", 7)),
        ([A, WORD_UPPER, A, WORD_LOWER], ("show ip route", 4)),
        ([W, YANK], ("show ip route", 13)),
        ([W, W, YANK, YANK_OLDER], ("show route", 10)),
        ([W, W, YANK, YANK_OLDER, YANK_OLDER], ("show ip ", 8)),
        ([W, A, YANK], ("routeshow ip ", 5)),
        ([K, YANK], ("show ip route", 13)),
        ([A, WORD_DELETE, E, YANK], (" ip routeshow", 13)),
        ([W, YANK, "x", YANK_OLDER], ("show ip routex", 14)),
    ],
)
def test_each_key_does_what_it_says(keys: list[str], result: tuple[str, int]) -> None:
    """Line and cursor after the keys, on ``show ip route``."""
    assert edited("show ip route", *keys) == result


def test_typing_at_the_end_echoes_just_the_text() -> None:
    """No redraw where none is needed."""
    editor = LineEditor(100)
    assert editor.insert("abc") == "abc"
    assert editor.control(BACKSPACE, with_history=True) == "\b \b"
    editor.control(A, with_history=True)
    assert editor.insert("x") == "xab\b\b"


def test_the_line_is_bounded_with_one_bell() -> None:
    """What exceeds the limit is dropped."""
    editor = LineEditor(5)
    assert editor.insert("abcdefgh") == "abcde" + BELL
    assert editor.insert("x") == BELL
    assert editor.text == "abcde"


def test_a_password_is_not_among_the_deletions() -> None:
    """What was taken from a hidden line cannot be put into a shown one."""
    editor = LineEditor(100)
    editor.begin(mask="")
    editor.insert("secret")
    editor.control(U, with_history=False)
    editor.begin()
    assert editor.control(YANK, with_history=True) == BELL
    assert editor.text == ""


def test_deletions_are_bounded() -> None:
    """Ten of them, and never a line that is too long."""
    editor = LineEditor(6)
    for number in range(12):
        editor.insert(f"w{number}")
        editor.control(U, with_history=True)
    seen = []
    editor.control(YANK, with_history=True)
    for _ in range(11):
        seen.append(editor.text)
        editor.control(YANK_OLDER, with_history=True)
    assert seen == [f"w{number}" for number in (11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 11)]
    editor.insert("abc")
    assert editor.control(YANK, with_history=True) == BELL


def test_history_goes_back_and_forth() -> None:
    """The line in the making comes back; repeated lines are kept once, blank ones never."""
    editor = LineEditor(100)
    for line in ("one", "two", "two", " ", "three"):
        editor.remember(line, 20)
    assert editor.history == ("one", "two", "three")
    editor.begin()
    editor.insert("draft")
    up, down = "\x10", "\x0e"
    seen = []
    for key in (up, up, up, up, down, down, down, down):
        editor.control(key, with_history=True)
        seen.append(editor.text)
    assert seen == ["three", "two", "one", "one", "two", "three", "draft", "draft"]


def test_history_is_bounded_and_can_be_off() -> None:
    """The oldest lines go first; size 0 keeps none."""
    editor = LineEditor(100)
    for number in range(5):
        editor.remember(str(number), 3)
    assert editor.history == ("2", "3", "4")
    editor.remember("x", 0)
    assert editor.history == ()


def test_a_masked_line_shows_the_mask_only() -> None:
    """Nothing, or one mask character for each typed one."""
    editor = LineEditor(100)
    editor.begin(mask="")
    assert editor.insert("secret") == ""
    assert editor.control(BACKSPACE, with_history=False) == ""
    assert editor.text == "secre"
    editor.begin(mask="*")
    assert editor.insert("abc") == "***"
    assert editor.control(BACKSPACE, with_history=False) == "\b \b"


@given(st.lists(st.one_of(st.text("abc xyz", min_size=1, max_size=4), st.sampled_from(CONTROLS))))
def test_the_glass_shows_the_line_after_any_keys(keys: list[str]) -> None:
    """Whatever is typed, terminal and editor agree on text and cursor."""
    edited("one two", *keys)
