"""Quotes, backslashes and filters of typed lines."""

from __future__ import annotations

import pytest

from sceplab_devices.profiles.fortinet_fortios.words import quoted, read_line, whole_lines


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("set ca  CA_Cert_1 ", ("set", "ca", "CA_Cert_1")),
        ('edit "two words"', ("edit", "two words")),
        ("edit 'two words'", ("edit", "two words")),
        ('set x "a\\"b\\\\c"', ("set", "x", 'a"b\\c')),
        ('set x ""', ("set", "x", "")),
        ("set x a\\ b", ("set", "x", "a b")),
        ('set x a"b c"d', ("set", "x", "ab cd")),
        ("", ()),
    ],
)
def test_words_of_a_line(line: str, words: tuple[str, ...]) -> None:
    """Blanks part words, quotes hold them together."""
    assert read_line(line).texts == words
    assert not read_line(line).is_open


def test_open_quote_goes_on() -> None:
    """A line with an open quote is no whole line."""
    assert read_line('set ca "-----BEGIN').is_open
    assert not read_line('set ca "-----BEGIN\nMII\n-----END"').is_open


def test_filter_is_parted_from_the_words() -> None:
    """What stands behind the bar is the filter; inside of quotes it is text."""
    assert read_line("show | grep -f x").filter == " grep -f x"
    assert read_line('set x "a|b"').filter is None


@pytest.mark.parametrize("text", ["", "plain", 'with "quotes"', "back\\slash", "two\nlines"])
def test_quoted_text_reads_back(text: str) -> None:
    """What a configuration shows can be pasted."""
    assert read_line(f"set x {quoted(text)}").texts[-1] == text


def test_saved_lines_are_joined_inside_of_quotes() -> None:
    """A certificate in a saved configuration is one line."""
    text = 'config x\n    edit "A"\n        set ca "B\nC\nD"\n    next\nend\n'
    assert whole_lines(text) == [
        "config x", '    edit "A"', '        set ca "B\nC\nD"', "    next", "end",
    ]  # fmt: skip
