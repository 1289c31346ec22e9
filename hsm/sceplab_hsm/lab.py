"""Passphrases for labs: a file next to the store. Convenient, and no protection at all."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from sceplab_hsm.files import create_private, make_private_directory


def ensure_lab_secret(path: Path | str) -> str:
    """Makes a random passphrase file, mode 0600, unless it is there.

    Whoever can read the store can read this file too: the keys are then protected by the file
    system alone. Say so where you use it.

    Returns:
        The reference to the secret, ``file:PATH`` with an absolute path.

    Raises:
        StoreUnavailableError: it cannot be written.
    """
    absolute = Path(path).expanduser().absolute()
    make_private_directory(absolute.parent)
    with contextlib.suppress(FileExistsError):
        create_private(absolute, secrets.token_urlsafe(32).encode("ascii") + b"\n")
    return f"file:{absolute}"
