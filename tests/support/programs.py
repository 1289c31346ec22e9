"""Programs of others that interoperability tests talk to.

A missing program skips its tests and names the package that brings it. Where the bootstrap was able
to install the package (continuous integration as root) a missing program is an error: a test that
silently skips there would prove nothing.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

_EXTRA_FOLDERS = ("/usr/sbin", "/usr/lib/certmonger", "/usr/libexec/certmonger")


def find_program(name: str) -> Path | None:
    """Path of a program, also where it is no command for people; None when it is absent."""
    search_path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_EXTRA_FOLDERS])
    found = shutil.which(name, path=search_path)
    return Path(found) if found else None


def require_program(name: str, *, package: str) -> Path:
    """Path of a program that the calling test cannot do without.

    Args:
        name: file name of the program.
        package: Debian package that brings it; it belongs into ``scripts/debian-packages.txt``.

    Raises:
        pytest.skip.Exception: the program is absent.
        pytest.fail.Exception: the program is absent although the bootstrap ran as root in
            continuous integration.
    """
    found = find_program(name)
    if found is None:
        _miss(name, package)
    return found


def require_file(path: Path, *, package: str) -> Path:
    """The same for a file that is no program: a module or a library."""
    if not path.exists():
        _miss(path.name, package)
    return path


def _miss(name: str, package: str) -> NoReturn:
    reason = f"{name} is missing; as root: apt-get install --no-install-recommends -y {package}"
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
