"""Typed lines become commands: abbreviations, ambiguity, where a line stops making sense."""

import pytest

from sceplab_devices.grammar import Command, Failure, Form, Grammar, Match, Token, tokenize
from sceplab_devices.syntax import parse_syntax


def grammar(*syntaxes: str, hidden: tuple[str, ...] = ()) -> Grammar:
    """A table of plain commands whose handler is their syntax."""
    forms = []
    for syntax in syntaxes:
        expression = parse_syntax(syntax, {})
        command = Command(
            modes=("exec",),
            syntax=syntax,
            expression=expression,
            handler=syntax,
            no=None,
            privilege=0,
            hidden=syntax in hidden,
            options={},
        )
        forms.append(Form(command, expression))
    return Grammar(forms, ["show"])


TABLE = grammar(
    "show version",
    "show clock [detail]",
    "show crypto pki certificates [verbose] [<name:word>]",
    "clear counters",
    "clear crypto session",
    "configure terminal",
    "connect <host:ipv4>",
    "crypto key generate rsa { label <name:word> | modulus <n:360-4096> | exportable }*",
    "enrollment url <url:url> [pem]",
    "subject-name <name:line>",
    "level {<n:1-15> | <name:word>}",
    "logout",
    "log",
    "selftest",
    hidden=("selftest",),
)


def matched(line: str) -> Match:
    """The match of a line that must match."""
    result = TABLE.parse(line)
    assert isinstance(result, Match), result
    return result


def failed(line: str) -> Failure:
    """The failure of a line that must fail."""
    result = TABLE.parse(line)
    assert isinstance(result, Failure), result
    return result


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sh ver", ("show", "version")),
        ("SHOW Version", ("show", "version")),
        ("  sh   ver  ", ("show", "version")),
        ("conf t", ("configure", "terminal")),
        ("sh cry p ce v MyCA", ("show", "crypto", "pki", "certificates", "verbose", "MyCA")),
        ("log", ("log",)),
        ("logo", ("logout",)),
    ],
)
def test_any_unambiguous_prefix_will_do(line: str, words: tuple[str, ...]) -> None:
    """Keywords are completed, case of keywords is ignored, an exact word wins, names stay."""
    assert matched(line).words == words


@pytest.mark.parametrize(("line", "index"), [("c", 0), ("cle c", 1), ("con", 0), ("sh c", 1)])
def test_a_prefix_of_several_keywords_is_ambiguous(line: str, index: int) -> None:
    """The failure says how many words were understood."""
    failure = failed(line)
    assert (failure.kind, failure.index) == ("ambiguous", index)


@pytest.mark.parametrize(
    ("line", "index", "offset"),
    [
        ("foo", 0, 0),
        ("show foo", 1, 5),
        ("  show   foo", 1, 9),
        ("show version extra", 2, 13),
        ("crypto key generate rsa modulus 100", 5, 32),
        ("connect 10.0.0.256", 1, 8),
    ],
)
def test_the_first_word_that_does_not_fit_is_named(line: str, index: int, offset: int) -> None:
    """The column of the error marker is that word's."""
    failure = failed(line)
    assert (failure.kind, failure.index) == ("invalid", index)
    assert failure.token is not None
    assert failure.token.offset == offset


@pytest.mark.parametrize("line", ["show", "crypto key gen rsa label", "enrollment url", "conn"])
def test_a_line_that_stops_early_is_incomplete(line: str) -> None:
    """A word is missing."""
    assert failed(line).kind == "incomplete"


def test_parameters_are_given_by_name_with_their_columns() -> None:
    """Optional ones that were not typed are missing."""
    match = matched("cry key gen rsa exp mod 2048 label K1")
    assert match.args == {"n": "2048", "name": "K1"}
    assert match.keywords >= {"exportable", "modulus", "label"}
    assert match.offset_of("name") == 35
    assert match.offset_of("n") == 24
    assert match.offset_of("missing") == match.last_offset == 35


def test_an_option_is_taken_once() -> None:
    """The second ``exportable`` does not fit any more."""
    assert failed("cry key gen rsa exp exp").kind == "invalid"


def test_a_line_parameter_takes_the_rest_as_typed() -> None:
    """Inner blanks, bars and case stay; blanks at the end go."""
    match = matched("subject-name  CN=R1,  OU=a |b  ")
    assert match.args == {"name": "CN=R1,  OU=a |b"}
    assert match.filter is None


def test_the_narrowest_parameter_wins() -> None:
    """A number in range is the number, anything else the name."""
    assert matched("level 7").args == {"n": "7"}
    assert matched("level 70").args == {"name": "70"}


def test_keywords_win_over_parameters() -> None:
    """A name that abbreviates a keyword is the keyword."""
    match = matched("show crypto pki certificates verb")
    assert match.args == {}
    assert "verbose" in match.keywords


def test_a_bar_starts_a_filter_where_the_command_may_end() -> None:
    """With or without a blank behind it; what follows is kept as typed."""
    assert matched("sh ver | inc  a b").filter == Token("inc  a b", 9)
    assert matched("sh ver |inc x").filter == Token("inc x", 8)
    assert matched("sh crypto pki cert TP | sec x").args == {"name": "TP"}
    assert failed("clear counters | inc x").kind == "invalid"


def test_hidden_commands_must_be_spelled_out() -> None:
    """They work, but neither abbreviations nor completions know them."""
    assert matched("selftest").words == ("selftest",)
    assert failed("selft").kind == "invalid"
    assert TABLE.start.completions("s") == ["show", "subject-name"]


def test_a_blank_line_is_nothing() -> None:
    """Neither a match nor a failure."""
    assert TABLE.parse("   ") is None


def test_words_know_their_columns() -> None:
    """A bar glued to a word is a word of its own."""
    assert tokenize(" a |b c|d") == [
        Token("a", 1),
        Token("|", 3),
        Token("b", 4),
        Token("c|d", 6),
    ]


def test_huge_numbers_and_odd_digits_are_no_numbers() -> None:
    """Digits beyond ASCII and numbers without end do not reach ``int``."""
    assert failed("crypto key generate rsa modulus " + "9" * 5000).kind == "invalid"
    assert failed("crypto key generate rsa modulus ٢٠٤٨").kind == "invalid"
