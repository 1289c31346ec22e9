"""One clock for a server and for the agent processes beside it, moved by whoever sleeps."""

from __future__ import annotations

import mmap
import os
import struct
from datetime import UTC, datetime
from pathlib import Path

_FORM = struct.Struct("=d")


class SharedClock:
    """Seconds in a file that every process maps; nobody waits for real time.

    Args:
        path: made when it is not there.
        now: what it shows then; ``None``: it is there already.
    """

    def __init__(self, path: Path, now: datetime | None = None) -> None:
        self.path = path
        if now is not None:
            path.write_bytes(_FORM.pack(now.timestamp()))
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._memory = mmap.mmap(descriptor, _FORM.size)
        finally:
            os.close(descriptor)

    @property
    def seconds(self) -> float:
        """Since 1970."""
        (value,) = _FORM.unpack_from(self._memory)
        return float(value)

    @seconds.setter
    def seconds(self, value: float) -> None:
        _FORM.pack_into(self._memory, 0, value)

    def __call__(self) -> datetime:
        """The moment, UTC."""
        return datetime.fromtimestamp(self.seconds, UTC)

    def sleep(self, seconds: float) -> None:
        """Moves the clock on."""
        self.seconds += seconds

    def close(self) -> None:
        """Releases the file."""
        self._memory.close()
