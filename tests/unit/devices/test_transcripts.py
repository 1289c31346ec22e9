"""The sample profile's golden transcripts, and what the runner does with a wrong one."""

from pathlib import Path

import pytest

from sceplab_devices.profile import DeviceProfile
from tests.support.consoles import Terminal
from tests.support.transcripts import REWRITE, play_transcript

HERE = Path(__file__).parent / "transcripts"


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_golden_transcripts(path: Path, sample_profile: DeviceProfile) -> None:
    """Typed lines and output, byte for byte."""
    terminal = Terminal(sample_profile)
    play_transcript(
        path,
        terminal,
        values={"host": "box"},
        hooks={
            "publish": lambda text: terminal.port.publish(*text.split()),
            "log": terminal.device.log,
        },
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("box>\n> sh ver\nOther OS\nbox>\n", "wrong.txt:2: > sh ver"),
        ("box>\n> sh ver\nSample OS 1.0 on box \nbox>\n", "wrong.txt:2"),
        ("box>\n> sh ver\nSample OS 1.0 on box\nbox>\n\n", "wrong.txt:2"),
        ("box#\n", "wrong.txt:0"),
        ("box>\n>! sh ver\nSample OS 1.0 on box\nbox>\n", "wrong.txt:2"),
        (
            "box>\n> secret\nPassword: \n> x\nAgain: \n",
            "wrong.txt:4: > x: the terminal does not echo",
        ),
    ],
)
def test_one_wrong_byte_fails_and_is_located(
    tmp_path: Path, terminal: Terminal, text: str, place: str
) -> None:
    """Text, trailing blank, extra line, prompt, echo."""
    path = tmp_path / "wrong.txt"
    path.write_text(text)
    with pytest.raises(AssertionError, match=place):
        play_transcript(path, terminal)


def test_a_transcript_can_be_rewritten(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the device says goes into the file; comments stay, values become placeholders."""
    path = tmp_path / "new.txt"
    path.write_text(";; first\n> show version\n;; second\n> exit\n")
    monkeypatch.setenv(REWRITE, "1")
    play_transcript(path, terminal, values={"host": "box"})
    assert path.read_text() == (
        ";; first\n{{host}}>\n> show version\n;; second\nSample OS 1.0 on {{host}}\n{{host}}>\n"
        "> exit\n\n"
    )
