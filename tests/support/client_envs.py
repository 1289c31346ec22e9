"""Environments of foreign clients: programs of others run in processes of their own.

``make clients`` makes them from the locks in ``requirements/clients``. A test that needs one that
is missing skips with that line; where the bootstrap had to make it (continuous integration as root)
it fails, because a test that silently skips there would prove nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.source_tree import ROOT

PROGRAMS = ROOT / "tests" / "interop" / "clients"
PATIENCE_S = 120.0


def client_home(name: str) -> Path:
    """Folder of an environment: ``main``, ``scrapli2026``, ``ansible``, ``parsers``, ``fakenos``.

    Raises:
        pytest.skip.Exception: it is not there.
        pytest.fail.Exception: it is not there although the bootstrap ran as root in continuous
            integration.
    """
    home = Path(os.environ.get("CLIENTS", ROOT / ".venvs")) / name
    if (home / "sceplab-made-for").exists():
        return home
    reason = f"the client environment {home.name} is missing; make it with: make clients"
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def client_python(name: str) -> Path:
    """Interpreter of an environment; skips or fails as `client_home`."""
    return client_home(name) / "bin" / "python"


def run_client(
    environment: str, program: str, *arguments: str, timeout_s: float = PATIENCE_S, **variables: str
) -> Any:
    """Runs a program of `PROGRAMS` to its end; gives the JSON value that it printed last.

    Args:
        environment: as for `client_home`.
        program: file name, for example ``netmiko_cisco_asa.py``.
        arguments: for the program. Secrets go through ``variables``.
        timeout_s: after this it is ended and the test fails.
        variables: further environment variables.
    """
    python = client_python(environment)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, PROGRAMS / program, *arguments], env={**kept, **variables}, timeout=timeout_s,
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{program} ended with {done.returncode}:\n{done.stderr[-6000:]}"
    return json.loads(done.stdout.strip().splitlines()[-1])
