"""Syntax strings become expressions that can be followed word by word."""

import pytest

from sceplab_devices.kinds import own_kind
from sceplab_devices.syntax import (
    Keyword,
    Parameter,
    join,
    leading_keywords,
    may_end,
    next_steps,
    parse_syntax,
)


def words(expression: object) -> list[str]:
    """What may come next, as text."""
    return [
        leaf.text if isinstance(leaf, Keyword) else f"<{leaf.name}>"
        for leaf, _ in next_steps(expression)  # type: ignore[arg-type]
    ]


def after(expression: object, *typed: str) -> object:
    """The expression behind some words."""
    for word in typed:
        expression = next(
            rest
            for leaf, rest in next_steps(expression)  # type: ignore[arg-type]
            if (leaf.text if isinstance(leaf, Keyword) else f"<{leaf.name}>") == word
        )
    return expression


def test_a_sequence_gives_one_word_at_a_time() -> None:
    """Keywords and parameters follow each other; the end is only at the end."""
    expression = parse_syntax("crypto pki enroll <name:word>", {})
    assert words(expression) == ["crypto"]
    rest = after(expression, "crypto", "pki", "enroll")
    assert words(rest) == ["<name>"]
    assert not may_end(rest)  # type: ignore[arg-type]
    assert may_end(after(rest, "<name>"))  # type: ignore[arg-type]


def test_an_optional_part_may_be_skipped() -> None:
    """Behind a word that may be followed, both the option and what comes after it are offered."""
    expression = after(parse_syntax("show clock [detail] [utc]", {}), "show", "clock")
    assert may_end(expression)  # type: ignore[arg-type]
    assert words(expression) == ["detail", "utc"]
    assert words(after(expression, "detail")) == ["utc"]


def test_alternatives_stand_in_braces_and_in_optional_brackets() -> None:
    """``{a | b c}`` needs one of them, ``[a | b]`` may have one."""
    expression = parse_syntax("key {rsa | ec size} [now | later]", {})
    assert words(after(expression, "key")) == ["rsa", "ec"]
    assert words(after(expression, "key", "ec")) == ["size"]
    assert words(after(expression, "key", "rsa")) == ["now", "later"]
    assert words(after(expression, "key", "rsa", "now")) == []


def test_any_order_takes_each_part_at_most_once() -> None:
    """A part that was typed is not offered again."""
    expression = after(parse_syntax("make { a | b <n:1-9> | c }*", {}), "make")
    assert words(expression) == ["a", "b", "c"]
    rest = after(expression, "b", "<n>")
    assert words(rest) == ["a", "c"]
    assert words(after(rest, "c", "a")) == []
    assert may_end(rest)  # type: ignore[arg-type]


def test_equal_states_compare_equal_whichever_way_they_were_reached() -> None:
    """Two ways to the same rest give the same expression, so tables stay small."""
    expression = parse_syntax("x { a | b | c }* end", {})
    assert after(expression, "x", "a", "b") == after(expression, "x", "b", "a")


def test_hidden_keywords_are_marked() -> None:
    """``!word`` is a keyword that is not shown."""
    [(leaf, _)] = next_steps(parse_syntax("!debug", {}))
    assert leaf == Keyword("debug", hidden=True)


def test_a_profile_brings_kinds_of_its_own() -> None:
    """A kind of the profile is found by name."""
    kind = own_kind("port", "PORT", "[a-z]+[0-9]")
    [(leaf, _)] = next_steps(parse_syntax("<p:port>", {"port": kind}))
    assert leaf == Parameter("p", kind)


def test_leading_keywords_end_before_the_first_parameter_or_option() -> None:
    """``no`` forms that leave values out keep the words that name the setting."""
    expression = parse_syntax("crypto {pki | ca} url <u:url> [pem]", {})
    kept = leading_keywords(expression)
    assert words(after(kept, "crypto", "ca")) == ["url"]
    assert may_end(after(kept, "crypto", "ca", "url"))  # type: ignore[arg-type]
    assert join(kept) == kept


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("show [clock", "lacks a ']'"),
        ("show {a | b", "lacks a '}'"),
        ("show clock]", "stray ']'"),
        ("a | b", "stray '|'"),
        ("<n:5-1>", "unknown parameter kind '5-1'"),
        ("<n:colour>", "unknown parameter kind 'colour'"),
        ("<n", "cannot read"),
        ("[all]", "at least one word"),
        ("", "at least one word"),
    ],
)
def test_a_broken_syntax_says_what_is_wrong(text: str, reason: str) -> None:
    """Each way to break the notation has its message."""
    with pytest.raises(ValueError, match=reason.replace("|", r"\|").replace("]", r"\]")):
        parse_syntax(text, {})
