"""The guide for profiles, carried out: its files installed, its transcript played."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.agent_cli import SOURCES
from tests.support.sample_site import install

GUIDE = Path(__file__).parents[3] / "docs" / "profiles.md"
SAMPLE = Path(__file__).parents[2] / "support" / "sample_profile"
_FILE = re.compile(r"^`([\w./]+)`\n\n```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the guide."""
    folder = tmp_path_factory.mktemp("guide") / "harbor"
    for name, text in _FILE.findall(GUIDE.read_text(encoding="utf-8")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def site(guide: Path) -> Path:
    """A folder of installed packages with both third-party profiles in it."""
    site = guide.parent / "site"
    install(guide, site)
    install(SAMPLE, site)
    return site


def sceplab(site: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the program where the project and those packages are found."""
    return subprocess.run(
        [sys.executable, "-m", "sceplab_lab", *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *SOURCES])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.daemon
def test_installed_profiles_are_found(site: Path) -> None:
    """By their entry points, beside the built-in ones."""
    done = sceplab(site, "device", "profiles", "--json")
    assert done.returncode == 0, done.stderr
    titles = {row["name"]: row["title"] for row in json.loads(done.stdout)}
    assert titles["harbor"] == "Harbor OS 1.0 switch"
    assert titles["sample"] == "Sample OS 1.0"
    assert "cisco-ios" in titles


@pytest.mark.daemon
def test_the_transcript_of_the_guide(site: Path, guide: Path) -> None:
    """Trust, enrollment, approval and restart on a real engine, byte for byte."""
    done = sceplab(site, "device", "replay", guide / "session.txt")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"(\d+) steps, \1 the same, 0 different\n", done.stdout)


@pytest.mark.daemon
def test_the_sample_is_a_distribution(site: Path, tmp_path: Path) -> None:
    """Its data files are installed with it."""
    path = tmp_path / "session.txt"
    path.write_text(";;= line vty\nbox>\n> show version\nSample OS 1.1 on box\nbox>\n")
    done = sceplab(site, "device", "replay", path, "--profile", "sample", "--json")
    (difference,) = json.loads(done.stdout)["differences"]
    assert done.returncode == 1
    assert difference["actual"] == ["Sample OS 1.0 on box", "box>"]
