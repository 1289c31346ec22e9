"""One device to a state folder."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from sceplab_lab.errors import FolderInUseError
from sceplab_lab.folder_lock import LOCK_FILE, hold_folder
from tests.support.lab_port import full_disk
from tests.unit.lab.test_demo import command, environment

TIMEOUT_S = 60


def test_a_held_folder_is_refused_and_names_its_holder(tmp_path: Path) -> None:
    """The refusal names folder and process; a folder that was given free is to be had again."""
    with hold_folder(tmp_path):
        assert (tmp_path / LOCK_FILE).stat().st_mode & 0o777 == 0o600
        with pytest.raises(FolderInUseError) as refused, hold_folder(tmp_path):
            pass
    assert str(tmp_path) in str(refused.value)
    assert f"process {os.getpid()}" in str(refused.value)
    with hold_folder(tmp_path):
        pass


def test_a_holder_that_says_nothing_is_refused_too(tmp_path: Path) -> None:
    """On a full disk the process number cannot be noted; the lock holds."""
    with (
        full_disk(),
        hold_folder(tmp_path),
        pytest.raises(FolderInUseError) as refused,
        hold_folder(tmp_path),
    ):
        pass
    assert refused.value.pid is None
    assert "process" not in str(refused.value)


def test_the_lock_file_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    """A link in its place is refused, not followed."""
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / LOCK_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), hold_folder(tmp_path):
        pass
    assert (tmp_path / "elsewhere").read_text() == "kept"


@pytest.mark.daemon
def test_a_second_device_on_a_folder_ends_at_once(tmp_path: Path) -> None:
    """It exits with 2, naming folder and process; a device that was killed blocks nobody."""
    state, surroundings = tmp_path / "state", environment(tmp_path)
    words = ("--profile", "cisco-ios", "--console", "tcp:127.0.0.1:0", "--json")
    device = command("device", "serve", *words, "--state", str(state))
    first = subprocess.Popen(device, env=surroundings, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert json.loads(first.stdout.readline())["state"] == str(state)
        second = subprocess.run(
            device, env=surroundings, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        assert second.returncode == 2
        assert f"another device (process {first.pid}) works in {state}" in second.stderr
        assert "Traceback" not in second.stderr
    finally:
        first.kill()
        first.wait(TIMEOUT_S)
        first.stdout.close()
    with hold_folder(state):
        pass
