"""The wheel, not only the checkout, works."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT, SOURCE_ROOTS


@pytest.fixture(scope="module")
def unpacked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that installing the wheel would fill."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.slow
def test_wheel_holds_every_file_of_the_packages(unpacked_wheel: Path) -> None:
    """Data files and type markers travel with the code."""
    wanted = {
        str(path.relative_to(ROOT / root))
        for root in SOURCE_ROOTS
        for package in (ROOT / root).glob("sceplab_*")
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    present = {
        str(path.relative_to(unpacked_wheel))
        for path in unpacked_wheel.rglob("*")
        if path.is_file()
    }
    assert wanted <= present


@pytest.mark.slow
def test_wheel_runs_beside_files_with_plain_names(unpacked_wheel: Path, tmp_path: Path) -> None:
    """A folder that holds `agent.py` and `devices.py`, as users' folders do, changes nothing."""
    for name in ("agent.py", "devices.py", "hsm.py", "simulations.py"):
        (tmp_path / name).write_text("raise ImportError('not ours')\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "sceplab_agent", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked_wheel)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "enroll" in done.stdout
