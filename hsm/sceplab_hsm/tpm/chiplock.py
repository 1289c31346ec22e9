"""One process at a time on a chip that has no resource manager.

Processes would push each other's keys out of the chip's few slots in the middle of a command
sequence. They take turns by a lock on a file that exists only while somebody holds it. Programs
that do not know the lock are coped with by trying again (`sceplab_hsm.tpm.session`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sceplab_hsm.errors import StoreBusyError, StoreUnavailableError
from sceplab_hsm.runtime import runtime_directory

_LONGEST_WAIT_S = 60.0
_FIRST_NAP_S, _LONGEST_NAP_S = 0.0002, 0.005
_DEFAULTS = {"host": "localhost", "port": "2321"}
"""What the TSS connects to when a setting is left out."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def lock_path_of(tcti: str) -> Path:
    """Where this user's processes lock the chip behind a connection, however that is spelled.

    Args:
        tcti: of the kind ``swtpm`` or ``mssim``: settings ``host``, ``port`` or ``path``.

    Raises:
        StoreUnavailableError: the user's directory for locks cannot be used.
    """
    digest = hashlib.sha256(_one_spelling(tcti).encode()).hexdigest()[:16]
    return runtime_directory() / f"tpm-{digest}"


def _one_spelling(tcti: str) -> str:
    kind, _, text = tcti.partition(":")
    settings = dict(part.partition("=")[::2] for part in text.split(",") if part)
    if "path" not in settings:
        settings = {**_DEFAULTS, **settings}
        settings["host"] = settings["host"].lower()
        settings["port"] = settings["port"].lstrip("0")
        if settings["host"] in _LOOPBACK:
            settings["host"] = "localhost"
    return f"{kind}:" + ",".join(f"{name}={value}" for name, value in sorted(settings.items()))


@contextlib.contextmanager
def chip_locked(path: Path | None) -> Iterator[None]:
    """Holds the lock of a chip; ``None``: none is needed.

    Raises:
        StoreBusyError: another process holds it for too long.
        StoreUnavailableError: the system refuses.
    """
    if path is None:
        yield
        return
    descriptor = _acquire(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _acquire(path: Path) -> int:
    deadline, nap_s = time.monotonic() + _LONGEST_WAIT_S, _FIRST_NAP_S
    while time.monotonic() < deadline:
        descriptor = _try(path)
        if descriptor is not None:
            return descriptor
        time.sleep(nap_s)
        nap_s = min(nap_s * 2, _LONGEST_NAP_S)
    raise StoreBusyError(f"another process holds the TPM for too long (lock {path})")


def _try(path: Path) -> int | None:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise StoreUnavailableError(f"cannot lock the TPM by {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == os.stat(path, follow_symlinks=False).st_ino:
            return descriptor
    except OSError:
        pass  # held by another, or its holder has just removed it
    os.close(descriptor)
    return None
