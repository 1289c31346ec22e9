"""Installs distributions of third parties for tests, as pip does, without an index."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def install(source: Path, site: Path) -> None:
    """Builds and installs a distribution for real into a folder of packages."""
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
        *("--no-build-isolation", "--disable-pip-version-check", "--target", str(site)),
    ]
    # Built from a copy: what a build leaves behind stays out of the source tree.
    copy = site.parent / f"{site.name}-{source.name}-source"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([*command, str(copy)], check=True, capture_output=True)
