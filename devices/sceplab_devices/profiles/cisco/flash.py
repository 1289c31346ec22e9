"""File systems of a box: what an operator exports to, copies and imports from.

They hold what was put there since the box came up. A URL is ``flash:name`` or ``flash:/name``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

_URL = re.compile(r"([a-z][a-z0-9-]*):/{0,3}(.*)", re.IGNORECASE)
FILE_LIMIT_BYTES = 1024 * 1024
FILE_COUNT_LIMIT = 256
CAPACITY_BYTES = 512 * 1024 * 1024
"""Size a file system claims to have."""


@dataclass(frozen=True, slots=True)
class File:
    """One file."""

    name: str
    content: bytes
    written_at: datetime


class FileStore:
    """All file systems of one box.

    Attributes:
        systems: names without colon, the default one first.
    """

    def __init__(self, systems: tuple[str, ...]) -> None:
        self.systems = systems
        self._files: dict[tuple[str, str], File] = {}

    def parse(self, url: str) -> tuple[str, str] | None:
        """File system and path; ``None``: the URL names none of this box."""
        found = _URL.fullmatch(url)
        if found is None:
            return (self.systems[0], url.lstrip("/"))
        system = found[1].lower()
        return (system, found[2]) if system in self.systems else None

    def read(self, url: str) -> bytes | None:
        """Content of a file; ``None``: there is none."""
        place = self.parse(url)
        found = self._files.get(place) if place else None
        return found.content if found else None

    def write(self, url: str, content: bytes, now: datetime) -> bool:
        """Keeps a file; false: no such file system, no name, or no room."""
        place = self.parse(url)
        if place is None or not place[1] or len(content) > FILE_LIMIT_BYTES:
            return False
        if place not in self._files and len(self._files) >= FILE_COUNT_LIMIT:
            return False
        self._files[place] = File(place[1], content, now)
        return True

    def delete(self, url: str) -> bool:
        """Removes a file; false: there is none."""
        place = self.parse(url)
        return place is not None and self._files.pop(place, None) is not None

    def listing(self, system: str) -> Iterator[File]:
        """Files of a file system, oldest first."""
        return (file for (place, _), file in self._files.items() if place == system)
