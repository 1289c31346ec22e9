"""The profile's data files."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from sceplab_devices.profiles.cisco_ios.handlers import HANDLERS
from tests.support.ios import RouterBench, ios_profile

FOLDER = files("sceplab_devices.profiles.cisco_ios") / "data"
TEXT_FILES = ["texts-pki.toml", "texts-syslog.toml", "texts-system.toml"]
UNVERIFIED = {
    "authenticate.refused",
    "authenticate.pin_differs",
    "authenticate.in_progress",
    "enroll.password_differs",
    "enroll.cancelled",
    "enroll.in_progress",
    "syslog.poll",
    "syslog.failed",
    "syslog.renewing",
    "debug.pending",
    "debug.pending_reply",
}


def marks(name: str) -> dict[str, str]:
    """Confidence mark of every text in a file, empty where there is none."""
    found, table = {}, ""
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("[texts."):
            table = line[len("[texts.") : -1]
        elif line and not line.startswith("#"):
            mark = re.search(r"  # ([TPDU])$", line)
            found[f"{table}.{line.partition(' ')[0]}"] = mark[1] if mark else ""
    return found


@pytest.mark.parametrize("name", TEXT_FILES)
def test_every_text_says_how_it_is_known(name: str) -> None:
    """No text stands without its mark."""
    assert [key for key, mark in marks(name).items() if not mark] == []


def test_unverified_texts_are_marked() -> None:
    """What is known by name or analogy only is marked as such."""
    all_marks = {key: mark for name in TEXT_FILES for key, mark in marks(name).items()}
    assert {key for key in UNVERIFIED if all_marks[key] != "U"} == set()


def test_every_handler_is_used() -> None:
    """No function waits for a command that the data does not have."""
    profile = ios_profile()
    named = {command.handler for command in profile.commands}
    named |= {line.opening for line in profile.lines.values()}
    named |= {mode.raw for mode in profile.modes.values()}
    named |= {mode.unknown for mode in profile.modes.values()}
    assert set(HANDLERS) - named == set()


@pytest.mark.parametrize(
    "typed",
    [
        "show ",
        "show crypto ",
        "show crypto pki ",
        "show crypto key mypubkey ",
        "configure terminal|",
        "configure terminal|crypto ",
        "configure terminal|crypto pki ",
        "configure terminal|crypto key ",
        "configure terminal|crypto key generate rsa ",
        "configure terminal|crypto pki trustpoint VPN|",
        "configure terminal|crypto pki trustpoint VPN|enrollment ",
        "configure terminal|crypto pki trustpoint VPN|enrollment retry ",
    ],
)
def test_help_describes_the_words_of_the_pki_commands(typed: str) -> None:
    """Every word on the way to an enrollment has its description."""
    terminal = RouterBench().terminal()
    terminal.run("enable")
    terminal.run("terminal length 0")
    *modes, line = typed.split("|")
    for mode in modes:
        terminal.run(mode)
    shown = terminal.type(f"{line}?")
    rows = [row for row in shown.split("\n") if row.startswith("  ") and row.strip() != "<cr>"]
    assert rows
    assert [row for row in rows if len(row.split()) == 1] == []
