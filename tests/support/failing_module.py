"""Programs that run with a PKCS#11 module whose functions fail as told, in a process of their own.

The module passes everything else on to SoftHSM, which a process can have only once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from sceplab_hsm.pkcs11.softhsm import LabToken
from tests.support.programs import require_program
from tests.support.softhsm import MODULE
from tests.support.source_tree import source_environment

_SOURCE = Path(__file__).with_suffix(".c")
_PRELUDE = """
import os, sys
from pathlib import Path
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import secrets_from

def fail(function, code):
    Path(os.environ["FAILING_MODULE_FAULTS"], function).write_text(f"{code:x}")

def recover(function):
    Path(os.environ["FAILING_MODULE_FAULTS"], function).unlink()

def told(use):
    try:
        use()
    except Exception as error:
        print(type(error).__name__, error)
    else:
        print("worked")

def open_store():
    return open_key_store(sys.argv[1], secrets_from(sys.argv[2]))
"""


def failing_module(folder: Path) -> Path:
    """Compiles the module; the calling test is skipped where there is no compiler."""
    module = folder / "failing.so"
    compiler = require_program("gcc", package="gcc")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", module, _SOURCE, "-ldl"],
        check=True,
        capture_output=True,
    )
    return module


def run_with_faults(folder: Path, token: LabToken, program: str) -> list[str]:
    """What a program prints that opens the token behind the failing module; line by line."""
    module = failing_module(folder)
    faults = folder / "faults"
    faults.mkdir()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _PRELUDE + textwrap.dedent(program),
            token.uri.replace("module-name=softhsm2", f"module-path={module}"),
            token.secret_reference,
        ],
        env={
            **source_environment(),
            "FAILING_MODULE_REAL": MODULE,
            "FAILING_MODULE_FAULTS": os.fspath(faults),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
