"""What a worn flash, a power cut or a person makes of a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path


def empty(path: Path) -> None:
    """Nothing is left in it."""
    path.write_bytes(b"")


def cut(path: Path) -> None:
    """Its second half is gone."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def rubbish(path: Path) -> None:
    """Something else of the same length is in it."""
    path.write_bytes(b"\xa5 no file of ours \x00" * (path.stat().st_size // 18 + 2))


def remove(path: Path) -> None:
    """It is not there."""
    path.unlink()


def directory(path: Path) -> None:
    """A directory has its name."""
    path.unlink()
    path.mkdir()


DAMAGES: tuple[Callable[[Path], None], ...] = (empty, cut, rubbish, remove, directory)


def flip(path: Path, bit: int) -> None:
    """Turns one bit; beyond the end it starts over."""
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


def bytes_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def as_after_a_kill(folder: Path, to: Path) -> Path:
    """A copy of a folder whose journal is open: what a killed process leaves."""
    shutil.copytree(folder, to, symlinks=True)
    return to
