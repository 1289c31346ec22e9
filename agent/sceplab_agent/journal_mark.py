"""How far the journal has come, in a file beside it: a journal that went back is noticed.

SQLite drops the end of a damaged ``-wal`` file without a word, and an older copy of a journal looks
as good as any. The mark is the number of the newest entry. It is written after the commit and not
synced: a power cut may leave it behind the journal, never ahead of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from pathlib import Path

from sceplab_agent.durable import AS_IT_IS, replace_file

_MODE = 0o600
_FORM = re.compile(rb"([0-9]{20}) ([0-9a-f]{8})\n")


class MarkError(ValueError):
    """The mark is unreadable; it says nothing about the journal."""


class JournalMark:
    """An open mark.

    Args:
        path: of the mark's file.
        newest: number of the journal's newest entry, which is durable.
        owner: user and group number of a mark that is made; -1: who makes it.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, newest: int, *, owner: tuple[int, int] = AS_IT_IS) -> None:
        noted = read_mark(path)
        if noted is None:
            replace_file(path, _line(newest), mode=_MODE, owner=owner)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        if noted not in {None, newest}:
            self.set(newest)  # a power cut left it behind

    def set(self, newest: int) -> None:
        """Notes an entry that is durable. What cannot be noted is left: the mark lags behind."""
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, _line(newest), 0)

    def close(self) -> None:
        """Releases the file. Twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def mark_path(journal: Path) -> Path:
    """Where the mark of a journal is."""
    return journal.with_name(f"{journal.name}-mark")


def read_mark(path: Path) -> int | None:
    """Number of the newest entry that was noted; ``None``: there is no mark.

    Raises:
        MarkError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise MarkError("it is a directory") from error
    found = _FORM.fullmatch(content)
    if found is None or _line(int(found[1])) != content:
        raise MarkError("it is no mark")
    return int(found[1])


def _line(newest: int) -> bytes:
    number = b"%020d" % newest
    return number + b" %08x\n" % zlib.crc32(number)
