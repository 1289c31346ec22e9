"""SoftHSM tokens for tests: one private directory and one configuration per test process.

SoftHSM reads one configuration in a process, so all tokens of a test process lie in one directory;
each caller gets a token of its own.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import shutil
import tempfile
from pathlib import Path

from sceplab_hsm.api import KeyStore
from sceplab_hsm.pkcs11.softhsm import LabToken, init_softhsm
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import secrets_from
from tests.support.programs import require_program

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
_numbers = itertools.count(1)


@functools.cache
def tokens_directory() -> Path:
    """Directory of this process's tokens; removed at its end."""
    directory = Path(tempfile.mkdtemp(prefix="sceplab-softhsm-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def make_token(label: str = "") -> LabToken:
    """A new token; the calling test is skipped where SoftHSM is not installed."""
    require_program("softhsm2-util", package="softhsm2")
    return init_softhsm(tokens_directory(), label=label or f"test-{next(_numbers)}")


def open_token(token: LabToken) -> KeyStore:
    """Opens a token with its own PIN."""
    return open_key_store(token.uri, secrets_from(token.secret_reference))


def token_folder(token: LabToken) -> Path:
    """Where SoftHSM keeps the token; renaming it away takes the token out."""
    return token.configuration.parent / "tokens" / token.label


def pin_of(token: LabToken) -> str:
    """The user's PIN."""
    path = Path(token.secret_reference.removeprefix("file:"))
    return path.read_text(encoding="ascii").rstrip("\n")
