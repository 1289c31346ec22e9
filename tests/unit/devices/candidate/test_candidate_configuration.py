"""The model behind Junos and PAN-OS: schema, paths, tree, text, pipes, saved lines."""

from __future__ import annotations

import logging

import pytest

from sceplab_devices.kinds import Kind, own_kind
from sceplab_devices.profiles.candidate.commands import CommandTable, Request
from sceplab_devices.profiles.candidate.device import CandidateDevice
from sceplab_devices.profiles.candidate.paths import Place, Problem, read_path
from sceplab_devices.profiles.candidate.pipes import Pipes, read_pipes
from sceplab_devices.profiles.candidate.schema import Schema
from sceplab_devices.profiles.candidate.text import Style, braces, compare_lines, set_lines
from sceplab_devices.profiles.candidate.tree import Tree, copy, find, names, put, take, value
from sceplab_devices.profiles.candidate.words import quoted, split_pipes, split_words
from tests.support.device_bench import DeviceBench, shared_profile

KINDS: dict[str, Kind] = {"name": own_kind("name", "<name>", "[a-z0-9-]+")}
SCHEMA = Schema(
    [
        "system host-name <host:name>",
        "system server <address:ipv4>*",
        "system mode {fast|safe}",
        "group <name:name> member <member:name>[]",
        "group <name:name> limit <limit:1-9>",
        "group <name:name> disable",
    ],
    KINDS,
)
BRACED = Style(indent=4, joined=True)
APART = Style(indent=2, joined=False)


def place(line: str) -> Place:
    """Where a line leads; it has to be understood."""
    found = read_path(SCHEMA.root, split_words(line), several=True)
    assert isinstance(found, Place), found
    return found


def tree_of(*lines: str) -> Tree:
    """The configuration that lines set."""
    tree: Tree = {}
    for line in lines:
        put(tree, place(line))
    return tree


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('a "b c" d', ["a", "b c", "d"]),
        (r'"say \"hi\"" x', ['say "hi"', "x"]),
        ('"open end', ["open end"]),
        ('a|b "|"', ["a", "|", "b", "|"]),
        (r'"back\\"', ["back\\"]),
    ],
)
def test_words_know_their_quotes(line: str, words: list[str]) -> None:
    """Quotes hold blanks, pipes and escaped characters together."""
    assert [word.text for word in split_words(line)] == words


def test_a_quoted_pipe_ends_no_command() -> None:
    """Only a bare one does."""
    parts = split_pipes(split_words('show "|" | match x'))
    assert [[word.text for word in part] for part in parts] == [["show", "|"], ["match", "x"]]


@pytest.mark.parametrize("text", ["plain", "two words", 'a"b', "a\\b", "", "x;y", "a|b"])
def test_quoted_text_is_read_back(text: str) -> None:
    """What a configuration writes is one word again."""
    (word,) = split_words(quoted(text))
    assert word.text == text


@pytest.mark.parametrize(
    ("line", "kind", "offset"),
    [
        ("system nonsense", "invalid", 7),
        ("system mode slow", "value", 12),
        ("group a limit 10", "value", 14),
        ("system host-name x y", "invalid", 19),
        ("s", None, 0),
    ],
)
def test_problems_name_their_column(line: str, kind: str | None, offset: int) -> None:
    """The column is that of the word that does not fit; abbreviations do."""
    found = read_path(SCHEMA.root, split_words(line))
    if kind is None:
        assert isinstance(found, Place)
    else:
        assert isinstance(found, Problem)
        assert (found.kind, found.offset) == (kind, offset)


def test_a_line_sets_several_statements_of_one_object() -> None:
    """Behind a complete statement the object's next one follows."""
    assert tree_of("group a limit 3 disable member x") == tree_of(
        "group a limit 3", "group a disable", "group a member x"
    )


def test_values_replace_members_gather() -> None:
    """One value takes the place of another; lists grow."""
    tree = tree_of("sys host a", "sys host b", "group g member x", "group g member y")
    assert value(tree, "system", "host-name") == "b"
    assert names(tree, "group", "g", "member") == ["x", "y"]


def test_deleting_takes_empty_containers_along() -> None:
    """What held nothing else goes too; what is not there is said."""
    tree = tree_of("system host-name a", "group g limit 3")
    assert take(tree, ("group", "g", "limit"))
    assert find(tree, "group") is None
    assert not take(tree, ("group",))
    assert take(tree, ())
    assert tree == {}


def test_braces_in_both_styles() -> None:
    """Junos joins an object to its keyword, PAN-OS gives it braces of its own."""
    tree = tree_of(
        "group g member x", "group g member y", "group g disable", "system server 1.1.1.1"
    )
    assert list(braces(tree, SCHEMA.root, BRACED)) == [
        "system {",
        "    server 1.1.1.1;",
        "}",
        "group g {",
        "    member [ x y ];",
        "    disable;",
        "}",
    ]
    assert list(braces(tree, SCHEMA.root, APART))[3:] == [
        "group {", "  g {", "    member [ x y ];", "    disable;", "  }", "}",
    ]  # fmt: skip


def test_differences_stand_below_their_container() -> None:
    """Added and removed objects whole, changed values as a pair."""
    old = tree_of("system host-name a", "group g limit 3")
    new = copy(old)
    put(new, place("system host-name b"))
    put(new, place("group h limit 4"))
    take(new, ("group", "g"))
    assert compare_lines(old, new, SCHEMA.root, BRACED) == [
        "[edit system]",
        "-   host-name a;",
        "+   host-name b;",
        "[edit]",
        "-   group g {",
        "-       limit 3;",
        "-   }",
        "+   group h {",
        "+       limit 4;",
        "+   }",
    ]
    assert compare_lines(new, copy(new), SCHEMA.root, BRACED) == []


def test_set_lines_make_the_same_configuration() -> None:
    """They are what is saved."""
    tree = tree_of("group g member x", "group g member y", "system mode fast")
    assert set_lines(tree, SCHEMA.root, BRACED) == [
        "set system mode fast",
        "set group g member x",
        "set group g member y",
    ]


def test_a_schema_refuses_what_is_no_statement() -> None:
    """Kinds must exist, and a value needs its name."""
    with pytest.raises(ValueError, match="unknown kind 'nonsense'"):
        Schema(["a <b:nonsense>"], KINDS)
    with pytest.raises(ValueError, match="neither word nor value"):
        Schema(["a <1-9>"], KINDS)


ENTRIES = [
    {"modes": ["op"], "words": "show one", "handler": "one"},
    {
        "modes": ["op"],
        "words": "make",
        "options": ["size {1|2}", "id <id:name>", "force"],
        "required": ["id"],
        "handler": "make",
    },
    {"modes": ["op"], "words": "log", "positional": ["<file:name>"], "handler": "log"},
]
TABLE = CommandTable(ENTRIES, KINDS, SCHEMA)


def parse(line: str) -> Request | Problem:
    """What a line means."""
    return TABLE.parse("op", split_words(line), SCHEMA.root)


def test_options_come_in_any_order() -> None:
    """Abbreviated or not."""
    for line in ("make size 2 id x force", "ma force id x si 2"):
        found = parse(line)
        assert isinstance(found, Request)
        assert found.args == {"size": "2", "id": "x", "force": "force"}
    found = parse("log x")
    assert isinstance(found, Request)
    assert found.args == {"file": "x"}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("nonsense", "unknown"),
        ("show", "missing"),
        ("show two", "invalid"),
        ("make", "missing"),
        ("make id", "missing"),
        ("make size 3 id x", "value"),
        ("make id x id", "missing"),
        ("make nonsense", "invalid"),
    ],
)
def test_commands_say_what_is_wrong(line: str, kind: str) -> None:
    """First word, later word, value, or the end."""
    found = parse(line)
    assert isinstance(found, Problem)
    assert found.kind == kind


VERBS = ("count", "display", "except", "find", "last", "match", "no-more")
LINES = ["One a", "two_b", "three A"]


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("match A", ["One a", "three A"]),
        ("except a | count", ["Count: 1 lines"]),
        ("find two", ["two_b", "three A"]),
        ("last 1", ["three A"]),
        ("match two_b", ["two_b"]),
        ("no-more", LINES),
    ],
)
def test_pipes_filter(typed: str, left: list[str]) -> None:
    """In any number; case does not count."""
    pipes = read_pipes(split_pipes(split_words(typed)), len(typed), VERBS)
    assert isinstance(pipes, Pipes)
    assert pipes.apply(LINES) == left


@pytest.mark.parametrize("typed", ["match", "match (", "nonsense", "display", "display xml", ""])
def test_pipes_refuse(typed: str) -> None:
    """A pattern that is missing or none, a verb that is none."""
    assert isinstance(read_pipes(split_pipes(split_words(typed)), len(typed), VERBS), Problem)


def test_damaged_saved_lines_are_logged_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """The rest of the configuration comes up."""
    device = DeviceBench(shared_profile("juniper-junos")).device
    assert isinstance(device, CandidateDevice)
    damaged = '# record {"kind":\n# record {"kind": "certificate"}\n'
    text = "set system host-name r9\nset nonsense 'sesame'\n" + damaged
    with caplog.at_level(logging.WARNING):
        device.restore(text)
    assert device.hostname == "r9"
    assert "saved line 2 is no statement" in caplog.text
    assert "sesame" not in caplog.text
    assert caplog.text.count("saved record is damaged") == 2
