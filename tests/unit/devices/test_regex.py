"""Filter patterns match as documented, and never take long."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_devices.regex import PATTERN_LIMIT_CHARS, LinePattern, PatternError


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        ("ip", "interface Gi0", False),
        ("Gi0", "interface Gi0", True),
        ("gi0", "interface Gi0", False),
        ("^int", "interface", True),
        ("^nt", "interface", False),
        ("face$", "interface", True),
        ("inter$", "interface", False),
        ("i.t", "interface", True),
        ("colou?r", "color", True),
        ("colou?r", "colouur", False),
        ("lo*p", "lp", True),
        ("lo+p", "lp", False),
        ("up|down", "is down", True),
        ("(up|down)$", "downs", False),
        ("[0-9]+/[0-9]", "Gi0/1", True),
        ("[^a-z]", "abc", False),
        ("[]x]", "a]", True),
        ("a\\.b", "axb", False),
        ("a\\.b", "a.b", True),
        ("_100_", "as 100 200", True),
        ("_100_", "100", True),
        ("_100_", "1001", False),
        ("_100_", "{100}", True),
        ("^$", "", True),
        ("$^", "", True),
        ("$^", "x", False),
        ("^$", "x", False),
        ("", "anything", True),
        ("a||b", "x", True),
    ],
)
def test_the_notation_means_what_it_says(pattern: str, line: str, expected: bool) -> None:
    """One case for each sign."""
    assert LinePattern(pattern).matches(line) is expected


@pytest.mark.parametrize("pattern", ["(", "(a", "a)", "[a", "*", "+x", "(|?)", "a\\", "[]"])
def test_broken_patterns_are_refused(pattern: str) -> None:
    """Never accepted with a made-up meaning."""
    with pytest.raises(PatternError):
        LinePattern(pattern)


def test_long_patterns_are_refused() -> None:
    """The length of a pattern is bounded."""
    with pytest.raises(PatternError, match="longer"):
        LinePattern("a" * (PATTERN_LIMIT_CHARS + 1))


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+c$", "(a|a)*b", "((a*)*)*b", "(.*)(.*)(.*)(.*)(.*)c", "(a?){" + "a?" * 40 + "b"],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    """Patterns that stop a backtracking matcher for years are done at once."""
    started = time.process_time()
    assert not LinePattern(pattern).matches("a" * 3000)
    assert time.process_time() - started < 2


SMALL = st.text("ab.*+?|()^$", min_size=1, max_size=8)


@given(SMALL, st.text("abc", max_size=6))
def test_it_agrees_with_the_standard_library(pattern: str, line: str) -> None:
    """On what both understand alike (no lazy or possessive signs), the answers are the same."""
    if re.search(r"[*+?]{2}", pattern):
        return
    try:
        expected = re.compile(pattern)
    except re.error:
        return
    try:
        actual = LinePattern(pattern)
    except PatternError:
        return
    assert actual.matches(line) == bool(expected.search(line))
