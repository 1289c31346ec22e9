"""Transcript files: header, wildcards, errors with their place."""

import pytest

from sceplab_devices.transcript import Step, TranscriptError, play, read_transcript
from tests.support.consoles import Terminal


def played(terminal: Terminal, text: str, **values: str) -> tuple[list[Step], dict[str, str]]:
    """The steps, and the values afterwards."""
    known = dict(values)
    return list(play(read_transcript(text), terminal, values=known, hooks={})), known


def test_the_header_says_what_a_session_needs() -> None:
    """Each kind of directive; plain comments among them are comments."""
    header = read_transcript(
        ";;= profile cisco-asa\n;; a comment\n;;= option train=strict\n;;= option speed=3\n"
        ";;= hostname fw\n;;= line vty\n;;= values ca-fingerprints dates\n;;= user admin\nfw>\n"
    ).header
    assert (header.profile, header.hostname, header.line) == ("cisco-asa", "fw", "vty")
    assert header.options == ["train=strict", "speed=3"]
    assert header.values == ["ca-fingerprints", "dates"]
    assert header.user == "admin"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (";;= profil x\n", "f:1: header: unknown directive 'profil'"),
        (";; x\n;;= profile\n", "f:2: header: profile has no value"),
        (";;= line tty\n", "f:1: header: no line 'tty'; expected: console or vty"),
        ("R1>\n;;= profile x\n", "f:2: header: is below the first output"),
    ],
)
def test_a_wrong_header(text: str, reason: str) -> None:
    """Named with its line."""
    with pytest.raises(TranscriptError) as caught:
        read_transcript(text, "f")
    assert str(caught.value) == reason


def test_wildcards_match_within_a_line(terminal: Terminal) -> None:
    """And keep what they stood for, for output and typed text further down."""
    steps, values = played(
        terminal,
        "{{*name}}>\n> show clock\n{{*time}} UTC {{*}}\n{{name}}>\n"
        "> echo {{time}}\n12:00:00\nbox>\n",
    )
    assert all(step.matches for step in steps)
    assert values == {"name": "box", "time": "12:00:00"}


@pytest.mark.parametrize("wanted", ["{{*}} UTD {{*}}", "12{{*}}", "{{*}}\n{{*}}", ""])
def test_wildcards_do_not_match_more(terminal: Terminal, wanted: str) -> None:
    """Text around them counts, and so does the number of lines."""
    steps, _ = played(terminal, f"box>\n> show clock\n{wanted}\nbox>\n")
    assert [step.matches for step in steps] == [True, wanted == "12{{*}}"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("box>\n@ frob x\nbox>\n", "no hook 'frob'"),
        ("{{who}}>\n", "no value for {{who}}"),
        ("box>\n> {{*}}\n", r"no value for {{\*}}"),
        ("box>\n>~ \\x0\n", "transcript:2"),
    ],
)
def test_what_cannot_be_played(terminal: Terminal, text: str, reason: str) -> None:
    """An error with its place, not a difference."""
    with pytest.raises(TranscriptError, match=reason):
        played(terminal, text)
