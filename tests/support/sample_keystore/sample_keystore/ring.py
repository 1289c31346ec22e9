"""The ring: one file that holds every key, replaced as a whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from sceplab_hsm.errors import KeyDamagedError, StoreUnavailableError

Entry = dict[str, str]
"""``algorithm``, ``created_at``, ``public`` (PEM) and ``sealed`` (encrypted PKCS#8, PEM)."""

_FORMAT = "sample ring 1"


class Ring:
    """A ring file.

    Args:
        path: of the file; a lock file stands next to it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        """Whether there is one."""
        return self._path.exists()

    def read(self) -> dict[str, Entry]:
        """Every entry by name."""
        try:
            document = json.loads(self._path.read_bytes())
        except OSError as error:
            raise StoreUnavailableError(f"cannot read {self._path}: {error.strerror}") from error
        except ValueError as error:
            raise KeyDamagedError(f"{self._path} is no ring") from error
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise KeyDamagedError(f"{self._path} is no ring of this format")
        return document["entries"]

    @contextlib.contextmanager
    def changed(self) -> Iterator[dict[str, Entry]]:
        """The entries, under a lock; what the block leaves is written unless it raises."""
        try:
            descriptor = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnavailableError(f"cannot lock {self._path}: {error.strerror}") from error
        with open(descriptor, "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = self.read() if self.exists() else {}
            yield entries
            self._write(entries)

    def _write(self, entries: dict[str, Entry]) -> None:
        temporary = self._path.with_name(self._path.name + ".new")
        content = json.dumps({"format": _FORMAT, "entries": entries}).encode()
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._path)
