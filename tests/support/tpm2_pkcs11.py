"""A TPM as a PKCS#11 token: libtpm2_pkcs11 over a software TPM.

The module leaves its objects loaded, so the chip's slots are freed between the programs that use
it, and each piece of work runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from sceplab_hsm.tpm.swtpm import SwtpmInstance
from tests.support.programs import require_program
from tests.support.source_tree import ROOT

MODULE = Path("/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so")
LABEL = "lab"
PIN = "pin of the tpm token"
_SO_PIN = "pin of its officer"

_BEGINNING = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "hsm")!r}]
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.contract import MESSAGE, OAEP_SHA1, verify
from sceplab_hsm.errors import KeyStoreError
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
store = open_key_store(
    "pkcs11:token={LABEL}?module-path={MODULE}", lambda _: Secret({PIN!r})
)
"""


@dataclass(frozen=True)
class TpmToken:
    """A token on a software TPM, and the environment that its module reads."""

    chip: SwtpmInstance
    environment: dict[str, str]

    def run(self, work: str) -> str:
        """Runs a piece of Python with the token's store open as ``store``; gives its output."""
        program = f"{_BEGINNING}{work}\nstore.close()\n"
        return self.call(sys.executable, "-c", program)

    def call(self, *command: str) -> str:
        """Runs a program to its good end and frees the slots it leaves taken."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        with closing(self.chip.connect()) as chip:
            for handle in chip.transient_handles():
                chip.flush(handle)
        assert done.returncode == 0, done.stderr
        return done.stdout


def make_tpm_token(chip: SwtpmInstance, place: Path) -> TpmToken:
    """A new token on that chip; its database lies in ``place``."""
    require_program("pkcs11-tool", package="opensc")
    if not MODULE.exists():
        pytest.skip(f"{MODULE.name} is missing; as root: apt-get install libtpm2-pkcs11-1")
    place.mkdir(mode=0o700)
    settings = {
        "TPM2_PKCS11_STORE": str(place),
        "TPM2_PKCS11_TCTI": chip.tcti,
        "TPM2_PKCS11_LOG_LEVEL": "0",
        "TSS2_LOG": "all+NONE",
    }
    token = TpmToken(chip, {**os.environ, **settings})
    tool = ("pkcs11-tool", "--module", str(MODULE), "--so-pin", _SO_PIN)
    token.call(*tool, "--init-token", "--slot-index", "0", "--label", LABEL)
    officer = ("--token-label", LABEL, "--login", "--login-type", "so")
    token.call(*tool, *officer, "--init-pin", "--pin", PIN)
    return token
