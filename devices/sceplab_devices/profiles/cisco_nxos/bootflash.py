"""``bootflash:`` as a folder of the host, so that files get in and out of the box."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sceplab_devices.profiles.cisco.flash import FILE_LIMIT_BYTES, File, FileStore

logger = logging.getLogger(__name__)

SYSTEM = "bootflash"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")


def open_bootflash(folder: str) -> FileStore:
    """The files of a box.

    Args:
        folder: path of a folder on the host; empty: they are kept until the box goes off.
    """
    return FolderStore(Path(folder)) if folder else FileStore((SYSTEM,))


class FolderStore(FileStore):
    """Plain files of one folder, without those below it. Links are no files.

    Args:
        folder: of the host; made when the first file is written.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__((SYSTEM,))
        self._folder = folder

    def read(self, url: str) -> bytes | None:
        """See `FileStore.read`; longer files than a box of ours keeps are none."""
        path = self._path(url)
        if path is None:
            return None
        try:
            if path.is_symlink() or not path.is_file():
                return None
            if path.stat().st_size > FILE_LIMIT_BYTES:
                return None
            return path.read_bytes()
        except OSError as error:
            logger.warning("%s: %s", path, error.strerror)
            return None

    def write(self, url: str, content: bytes, now: datetime) -> bool:
        """See `FileStore.write`; only the owner may read what is written."""
        path = self._path(url)
        if path is None or path.is_symlink() or len(content) > FILE_LIMIT_BYTES:
            return False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(content)
        except OSError as error:
            logger.warning("%s: %s", path, error.strerror)
            return False
        return True

    def delete(self, url: str) -> bool:
        """See `FileStore.delete`."""
        path = self._path(url)
        try:
            if path is None or path.is_symlink() or not path.is_file():
                return False
            path.unlink()
        except OSError as error:
            logger.warning("%s: %s", path, error.strerror)
            return False
        return True

    def listing(self, system: str) -> Iterator[File]:
        """See `FileStore.listing`; by name."""
        if system != SYSTEM or not self._folder.is_dir():
            return
        for path in sorted(self._folder.iterdir()):
            content = self.read(f"{SYSTEM}:{path.name}")
            if content is not None:
                written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                yield File(path.name, content, written_at)

    def _path(self, url: str) -> Path | None:
        place = self.parse(url)
        if place is None or _NAME.fullmatch(place[1]) is None:
            return None
        return self._folder / place[1]
