"""A tree of files as data: read from a folder, written into another, compared."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Node:
    """A file, directory or symbolic link of an image."""

    mode: int
    """With the type, as ``st_mode``."""
    owner: tuple[int, int]
    content: bytes = b""
    """Of a file; the target of a link; of a directory: nothing."""


Image = Mapping[str, Node]
"""By path below the root, sorted: parents before their children; the root itself is not in it."""


class UnmodelledError(Exception):
    """Something that an image or the model of a disk does not know."""


def read_image(root: Path) -> Image:
    """What lies in a folder; the times are not looked at.

    Raises:
        UnmodelledError: a socket, pipe or device is among it.
    """
    image = {}
    for path in _walk(root):
        status = path.lstat()
        content = b""
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = os.fsencode(path.readlink())
        elif not stat.S_ISDIR(status.st_mode):
            raise UnmodelledError(f"{path} is neither file nor directory nor link")
        name = path.relative_to(root).as_posix()
        image[name] = Node(status.st_mode, (status.st_uid, status.st_gid), content)
    return dict(sorted(image.items()))


def write_image(image: Image, root: Path) -> None:
    """Puts an image into a folder, which is made."""
    root.mkdir(parents=True)
    for name, node in image.items():
        path = root / name
        if stat.S_ISDIR(node.mode):
            path.mkdir()
        elif stat.S_ISLNK(node.mode):
            path.symlink_to(os.fsdecode(node.content))
        else:
            path.write_bytes(node.content)
        os.chown(path, *node.owner, follow_symlinks=False)
    for name, node in reversed(list(image.items())):
        if not stat.S_ISLNK(node.mode):
            (root / name).chmod(stat.S_IMODE(node.mode))


def digest(image: Image) -> str:
    """SHA-256 of all there is in an image, hexadecimal."""
    whole = hashlib.sha256()
    for name, node in image.items():
        head = f"{name!r} {node.mode:o} {node.owner} {len(node.content)}\n"
        whole.update(head.encode() + node.content)
    return whole.hexdigest()


def _walk(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
