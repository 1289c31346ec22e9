"""Whole sessions on every platform, byte for byte, from the first byte to the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from sceplab_devices.transcript import TranscriptError
from tests.support.device_bench import TRANSCRIPTS, play_golden

FILES = sorted(TRANSCRIPTS.rglob("*.txt"))


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: str(path.relative_to(TRANSCRIPTS).with_suffix(""))
)
def test_session(path: Path) -> None:
    """The terminal shows what the transcript says."""
    play_golden(path)


def test_a_file_without_a_header_says_what_it_needs(tmp_path: Path) -> None:
    """The name of the file comes first."""
    path = tmp_path / "bare.txt"
    path.write_text("R1>\n")
    with pytest.raises(TranscriptError, match=r"bare\.txt: needs a header, at least ';;= profile"):
        play_golden(path)


def test_restart_and_other_lines_are_hooks(tmp_path: Path) -> None:
    """The box comes up with what was saved; a new session starts with its own greeting."""
    path = tmp_path / "restart.txt"
    path.write_text(
        ";;= profile cisco-ios\n;;= hostname R1\n;;= line vty\n"
        "R1>\n> enable\nR1#\n> configure terminal\n"
        "Enter configuration commands, one per line.  End with CNTL/Z.\nR1(config)#\n"
        "> hostname R7\nR7(config)#\n> do write memory\nBuilding configuration...\n[OK]\n"
        "R7(config)#\n@ restart\nR7>\n@ connect vty\nR7>\n> show clock\n{{*}} UTC {{*}}\nR7>\n"
    )
    play_golden(path)
