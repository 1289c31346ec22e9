"""What a prompt did to the terminal is undone when the process ends under it."""

from __future__ import annotations

import os
import termios
from pathlib import Path

import pytest

from sceplab_agent.terminal import terminal_kept


def has_echo(descriptor: int) -> bool:
    """Whether the terminal shows what is typed."""
    return bool(termios.tcgetattr(descriptor)[3] & termios.ECHO)


def test_echo_is_turned_on_again() -> None:
    """As the hidden prompt of a thread left behind cannot do it."""
    master, slave = os.openpty()
    try:
        with terminal_kept(os.ttyname(slave)):
            settings = termios.tcgetattr(slave)
            settings[3] &= ~termios.ECHO
            termios.tcsetattr(slave, termios.TCSANOW, settings)
            assert not has_echo(slave)
        assert has_echo(slave)
    finally:
        os.close(slave)
        os.close(master)


@pytest.mark.parametrize("name", ["absent", "file"])
def test_without_a_terminal_nothing_is_done(tmp_path: Path, name: str) -> None:
    """A service has none."""
    (tmp_path / "file").write_text("text")
    with terminal_kept(str(tmp_path / name)):
        pass
    assert (tmp_path / "file").read_text() == "text"
