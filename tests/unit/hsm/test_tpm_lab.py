"""Lab chips: several starts at once, a missing binding, and wrong PINs that count."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.programs import require_program
from tests.support.source_tree import source_environment
from tests.support.swtpm import require_tpm


def command(*words: str) -> list[str]:
    """A command of `sceplab-hsm`."""
    return [sys.executable, "-m", "sceplab_hsm", "swtpm-init", *words]


def daemons(state: Path) -> list[int]:
    """Process ids of every swtpm on that state, whatever its files say."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if os.fsencode(f"dir={state},mode=0600") in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def with_program(folder: Path, text: str) -> dict[str, str]:
    """An environment in which this is the program swtpm."""
    program = folder / "bin" / "swtpm"
    program.parent.mkdir()
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return {
        **source_environment(),
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Path]:
    """A folder for a lab chip; whatever runs there is ended with the test."""
    place = tmp_path / "lab"
    yield place
    for pid in daemons(place / "state"):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.interop
@pytest.mark.daemon
def test_of_several_starts_one_wins_and_can_be_stopped(lab: Path, tmp_path: Path) -> None:
    """Processes that start a chip at once get the same one; ``--stop`` ends it, none is left."""
    require_tpm()
    slow = f'#!/bin/sh\nsleep 0.5\nexec {require_program("swtpm", package="swtpm")} "$@"\n'
    environment = with_program(tmp_path, slow)
    started = [
        subprocess.Popen(
            command(str(lab), "--json"), env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], answers
    (pid,) = daemons(lab / "state")
    assert {answer["pid"] for answer in answers} == {pid}
    assert len({answer["store"] for answer in answers}) == 1
    subprocess.run(
        command(str(lab), "--stop"), env=source_environment(), capture_output=True, check=True
    )
    assert daemons(lab / "state") == []


def test_without_the_binding_nothing_is_started(lab: Path, tmp_path: Path) -> None:
    """The text names the extra for a clone and for a package, before there is a folder or chip."""
    hidden = "import sys; sys.modules['tpm2_pytss'] = None; from sceplab_hsm.cli import main; "
    done = subprocess.run(
        [sys.executable, "-c", hidden + f"sys.exit(main(['swtpm-init', {str(lab)!r}]))"],
        env=with_program(tmp_path, f"#!/bin/sh\ntouch {tmp_path}/started\n"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert "scripts/bootstrap.sh tpm" in done.stderr
    assert "pip install 'sceplab[tpm]'" in done.stderr
    assert not lab.exists()
    assert not (tmp_path / "started").exists()


@pytest.mark.interop
@pytest.mark.daemon
@pytest.mark.parametrize(("option", "is_locked"), [("--da", True), ("", False)])
def test_wrong_pins_count_when_asked_for(lab: Path, option: str, is_locked: bool) -> None:
    """With ``--da`` wrong PINs lock the chip for the right one too; without, they count nothing."""
    require_tpm()
    made = subprocess.run(
        [*command(str(lab), "--json"), *filter(None, [option])],
        env=source_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(made.stdout)
    assert ("&da=on" in answer["store"]) is is_locked

    def lists(secret: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sceplab_hsm", "list", answer["store"], "--secret", secret],
            env={**source_environment(), "WRONG": "not the PIN"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert {lists("env:WRONG").returncode for _ in range(4)} == {6}
    assert (lists(answer["secret"]).returncode == 6) is is_locked
