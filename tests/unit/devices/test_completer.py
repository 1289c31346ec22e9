"""Tab (and a blank) as platforms show it: anew, in place, by turns."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from sceplab_devices.errors import ProfileError
from sceplab_devices.profile import DeviceProfile
from tests.support.consoles import Terminal


def terminal(commands: Iterable[str] = ("show", "shutdown", "sleep"), **shell: object) -> Terminal:
    """A terminal of a small platform."""
    profile = DeviceProfile(
        {
            "profile": {"name": "p"},
            "shell": shell,
            "modes": {"exec": {"prompt": "p>"}},
            "command": [
                {"modes": ["exec"], "syntax": word, "handler": "accept"} for word in commands
            ],
        }
    )
    return Terminal(profile)


def test_anew() -> None:
    """One way: prompt and line on a new line. Several: a bell."""
    p = terminal()
    assert p.type("sho\t") == "sho\np>show "
    assert p.type("\x15s\t").endswith("s\a")


def test_in_place() -> None:
    """The missing letters; several ways: those they share, and a bell."""
    p = terminal(completion="in_place")
    assert p.type("sho\t") == "show "
    assert p.type("\x15s\t").endswith("s\a")
    assert p.type("h\t") == "h\a"
    assert terminal(("shore", "short"), completion="in_place").type("s\t") == "shor\a"
    assert terminal(completion="in_place").type("x\t") == "x\a"


def test_by_turns() -> None:
    """Each Tab takes the next candidate back to the first; typing starts over."""
    p = terminal(completion="cycle")
    assert p.type("s\t") == "show "
    p.type("\t")
    assert p.run("").endswith("p>")
    assert p.console.device.consoles[0]._editor.history == ("shutdown ",)
    p.type("s\t\t\t\t")
    assert p.type("\x12") == "\np>show "
    assert p.type("\t") == "\b\b\butdown "
    assert p.type("\x15sl\t").endswith("sleep ")
    assert p.type("\x15x\t").endswith("x\a")


def test_a_blank_completes() -> None:
    """Where it completes nothing it is a blank: behind a blank, at several ways, in an answer."""
    p = terminal(("show version", "set", "settle"), completion_keys=["\t", " "])
    assert p.type("sh v ") == "show version "
    p.type("\x15")
    assert p.type(" s x") == " s x"
    p = terminal(("show <rest:line>",), completion_keys=["\t", " "])
    assert p.type("show sh  sh ") == "show sh  sh "


def test_without_asking_for_it_a_blank_is_a_blank() -> None:
    """Tab alone completes."""
    assert terminal().type("sho ") == "sho "


@pytest.mark.parametrize(
    "shell", [{"completion": "cicle"}, {"completion_keys": ["x"]}], ids=["manner", "key"]
)
def test_wrong_data(shell: dict[str, object]) -> None:
    """A word of no meaning is an error of the profile."""
    with pytest.raises(ProfileError, match="unknown"):
        terminal(**shell)


def test_line_ends_of_the_platform() -> None:
    """Every line ends as the platform ends it, echo included."""
    p = terminal(newline="\r\n\r")
    assert p.console.receive(b"show\r") == b"show\r\n\rp>"
