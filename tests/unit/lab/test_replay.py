"""Captured sessions against a profile: exit codes, readable differences, plain logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sceplab_devices.profile import open_profile
from sceplab_devices.transcript import TranscriptError
from sceplab_lab.cli import app
from sceplab_lab.replay_plain import read_plain

HERE = Path(__file__).parent / "replays"


def replay(*words: str | Path) -> Result:
    """The command, as typed."""
    return CliRunner().invoke(app, ["device", "replay", *map(str, words)])


def write(folder: Path, text: str) -> Path:
    """A transcript on disk."""
    path = folder / "session.txt"
    path.write_text(text)
    return path


def test_an_enrollment_with_approval_and_restart() -> None:
    """A real engine and a real CA behind a captured session; the CA's name is not in the file."""
    done = replay(HERE / "approved.txt")
    assert done.output.splitlines()[-1] == "25 steps, 25 the same, 0 different"
    assert done.exit_code == 0


def test_a_plain_log() -> None:
    """Typed lines, corrections and answers are found in it, and so is the host name."""
    done = replay(HERE / "plain.log", "--plain", "--profile", "cisco-ios")
    assert (done.exit_code, done.output) == (0, "11 steps, 11 the same, 0 different\n")


def test_a_rejected_request(tmp_path: Path) -> None:
    """``@ reject`` answers what waits; the next poll tells."""
    text = (HERE / "approved.txt").read_text().partition("@ approve")[0]
    done = replay(write(tmp_path, text + "@ reject\n\n@ wait-minutes 2\nnothing of this\n"))
    assert done.exit_code == 1
    assert "+*Mar  2 09:01:00.000: %PKI-6-CERTREJECT: Certificate enrollment request" in done.output


def test_a_server_that_is_off(tmp_path: Path) -> None:
    """Off until it is switched on again."""
    text = (HERE / "approved.txt").read_text().partition("> crypto pki authenticate VPN")[0]
    failed = (
        "% Error in receiving Certificate Authority certificate: status = FAIL, cert length = 0"
    )
    text += "@ server-off\n\n> crypto pki authenticate VPN\n{{*}}SOCKETSEND{{*}}\n"
    text += f"{failed}\nR1(config)#\n"
    done = replay(write(tmp_path, text))
    assert (done.exit_code, done.output) == (0, "15 steps, 15 the same, 0 different\n")


def test_differences_are_readable(tmp_path: Path) -> None:
    """Blanks at the end of a line and control characters can be seen; the place is named."""
    path = write(tmp_path, "R1>\n> show clok\n{{*}} x\nR1>\n>~ abc\\x7f\nab \n")
    done = replay(path, "--profile", "cisco-ios", "--hostname", "R1", "--option", "train=classic")
    assert done.exit_code == 1
    assert f"{path}:2: > show clok" in done.output
    assert "-{{*}} x\n" in done.output
    assert "-ab\\x20\n+abc\\x08 \\x08\n?  ^\n" in done.output


def test_differences_for_programs(tmp_path: Path) -> None:
    """One object; each difference has its lines."""
    path = write(tmp_path, ";;= profile cisco-ios\n;;= line vty\nRouter>\n> exit\nbye\n")
    done = replay(path, "--json")
    facts = json.loads(done.output)
    assert (facts["steps"], facts["different"]) == (2, 1)
    (difference,) = facts["differences"]
    assert difference["expected"] == ["bye"]
    assert difference["actual"] == [""]
    assert difference["diff"][1:] == ["-bye", "+"]


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("R1>\n", (), "names no profile"),
        (";;= profile cisco-oss\n", (), "unknown profile"),
        (";;= profle x\n", (), "unknown directive"),
        (";;= profile cisco-ios\n@ frob\n", (), "no hook 'frob'; known: approve"),
        (";;= profile cisco-ios\n@ wait-minutes x\n", (), "could not convert"),
        (";;= profile cisco-ios\n@ connect tty\n", (), "tty"),
        (";;= profile cisco-ios\n", ("--option", "x=1"), "unknown option"),
        (";;= profile cisco-ios\n", ("--option", "train=steam"), "steam"),
        (";;= profile cisco-ios\n", ("--value", "x"), "expected NAME=TEXT"),
        ("R1>\n", ("--plain",), "needs --profile"),
        ("hello\n", ("--plain", "--profile", "cisco-ios"), "no line begins with a prompt"),
    ],
)
def test_what_cannot_be_played(
    tmp_path: Path, text: str, words: tuple[str, ...], reason: str
) -> None:
    """Exit code 2 and one line that says why."""
    done = replay(write(tmp_path, text), *words)
    assert done.exit_code == 2, done.output
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_files_that_are_none(tmp_path: Path) -> None:
    """Missing, or no text."""
    assert replay(tmp_path / "none").exit_code == 2
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    assert "is not UTF-8 text" in replay(path).stderr


def test_the_parts_of_a_plain_log() -> None:
    """Paging prompts go, passwords become a value, an empty line at the end is nothing typed."""
    log = (
        "R1#show x\r\na\r\n --More-- \b\b\b\b\b\b\b\b\b        \b\b\b\b\b\b\b\b\bb\r\n"
        "R1#enable\r\nPassword: \r\nR1#clear y\r\nSure? [confirm]y\r\n"
        "R1#copy running-config startup-config\r\nDestination filename [startup-config]? \r\n"
        "[OK]\r\nR1#\r\n"
    )
    parts = read_plain(log, open_profile("cisco-ios")).parts
    assert [(part.title, part.output) for part in parts] == [
        ("(greeting)", ["R1#"]),
        ("> show x", ["a", "b", "R1#"]),
        ("> enable", ["Password: "]),
        (">! {{hidden}}", ["R1#"]),
        ("> clear y", ["Sure? [confirm]"]),
        (">~ y", ["y", "R1#"]),
        ("> copy running-config startup-config", ["Destination filename [startup-config]? "]),
        ("> ", ["[OK]", "R1#"]),
    ]


@pytest.mark.parametrize(
    ("profile", "log", "typed"),
    [
        ("cisco-asa", "fw> enable\r\n\rPassword: \r\n\rfw# conf t\r\n\rfw(config)# exit\r\n\r",
         ["> enable", ">! {{hidden}}", "> conf t"]),
        ("fortinet-fortios", "fw # config vpn certificate ca\r\n\r\nfw (ca) # end\r\nfw # \r\n",
         ["> config vpn certificate ca", "> end"]),
        ("juniper-junos", "op@fw> configure \r\n\r\n[edit]\r\nop@fw# exit\r\n\r\nop@fw> \r\n",
         ["> configure ", "> exit"]),
    ],
)  # fmt: skip
def test_logs_of_other_platforms(profile: str, log: str, typed: list[str]) -> None:
    """Their prompts are found, and in them the host name and the user; a cut end is left out."""
    transcript = read_plain(log, open_profile(profile))
    assert [part.title for part in transcript.parts[1:]] == typed
    assert transcript.header.hostname == "fw"
    assert transcript.header.user == ("op" if "@" in log else "")


def test_a_log_of_another_platform() -> None:
    """Said at once."""
    with pytest.raises(TranscriptError, match="no line begins with a prompt of cisco-ios"):
        read_plain("$ ls\n", open_profile("cisco-ios"))
