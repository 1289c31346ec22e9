"""A disk that forgets what was not synced: a model, to be fed with what a program did.

A strict reading of POSIX. Content and mode of a file are durable after ``fsync`` or ``fdatasync``
of the file, a name after ``fsync`` of its directory: a synced file whose name is not synced is
lost, a name that is synced before its file is an empty file. What is not synced may be there in
part, in any order: a write by blocks of 4 KiB, a rename as one. Closing syncs nothing.
"""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.support.power.disk_image import Image, Node, UnmodelledError, read_image

BLOCK_BYTES = 4096


@dataclass(slots=True)
class _State:
    """Of an inode, once as programs see it and once as the disk has it."""

    mode: int
    owner: tuple[int, int]
    content: bytearray = field(default_factory=bytearray)
    entries: dict[str, int] = field(default_factory=dict)

    def copy(self) -> _State:
        return _State(self.mode, self.owner, bytearray(self.content), dict(self.entries))


_Change = Callable[[_State], None]


@dataclass(slots=True)
class _Inode:
    current: _State
    durable: _State
    pending: list[_Change] = field(default_factory=list)

    def change(self, *changes: _Change) -> None:
        for change in changes:
            change(self.current)
            self.pending.append(change)

    def sync(self) -> None:
        self.durable = self.current.copy()
        self.pending.clear()


_Pick = Callable[[_Inode], _State]


class Disk:
    """A tree of files with what is durable of it. Paths are relative to its root, ``""``: itself.

    Args:
        is_lenient: syncing a file makes its name durable, too, as most file systems do for a file
            that is new.
    """

    def __init__(self, *, is_lenient: bool = False) -> None:
        self._is_lenient = is_lenient
        self._inodes: list[_Inode] = []
        self._new(stat.S_IFDIR | 0o755, (0, 0))

    @classmethod
    def load(cls, root: Path, *, is_lenient: bool = False) -> Disk:
        """What lies in a folder now, all of it durable."""
        disk = cls(is_lenient=is_lenient)
        for path, node in read_image(root).items():
            number = disk._new(node.mode, node.owner, node.content)
            parent, name = disk._parent(path)
            disk._inodes[parent].current.entries[name] = number
        for inode in disk._inodes:
            inode.sync()
        return disk

    def look_up(self, path: str, *, follow: bool = True) -> int | None:
        """Number of the inode at a path; ``None``: nothing there.

        Raises:
            UnmodelledError: a link leads out of the tree.
        """
        number, done = 0, PurePosixPath()
        parts = list(PurePosixPath(path).parts)
        while parts:
            name = parts.pop(0)
            found = self._inodes[number].current.entries.get(name)
            if found is None:
                return None
            state = self._inodes[found].current
            if stat.S_ISLNK(state.mode) and (parts or follow):
                target = os.path.normpath(done / os.fsdecode(bytes(state.content)))
                if target.startswith(("/", "..")):
                    raise UnmodelledError(f"link {path} leads out of the tree")
                number, done, parts = 0, PurePosixPath(), [*PurePosixPath(target).parts, *parts]
                continue
            number, done = found, done / name
        return number

    def create(self, path: str, mode: int, owner: tuple[int, int], content: bytes = b"") -> int:
        """A new, empty file or directory, or a link to ``content``. Gives its inode."""
        number = self._new(mode, owner, content)
        self._link(path, number)
        return number

    def link(self, path: str, number: int) -> None:
        """Another name of a file."""
        self._link(path, number)

    def unlink(self, path: str) -> None:
        """Removes a name, also an empty directory's."""
        parent, name = self._parent(path)
        self._inodes[parent].change(lambda state: _drop(state, name))

    def rename(self, old: str, new: str) -> None:
        """Moves a name over another. Between two directories each half is durable by itself."""
        number = self.look_up(old, follow=False)
        assert number is not None
        (source, old_name), (target, new_name) = self._parent(old), self._parent(new)

        def take(state: _State) -> None:
            state.entries.pop(old_name, None)

        def put(state: _State) -> None:
            state.entries[new_name] = number

        def move(state: _State) -> None:
            take(state)
            put(state)

        if source == target:
            self._inodes[source].change(move)
        else:
            self._inodes[target].change(put)
            self._inodes[source].change(take)

    def write(self, number: int, offset: int, data: bytes) -> None:
        """Writes bytes into a file; behind its end the gap is zeros."""
        changes = []
        position = offset
        while position < offset + len(data):
            end = min((position // BLOCK_BYTES + 1) * BLOCK_BYTES, offset + len(data))
            changes.append(_writing(position, data[position - offset : end - offset]))
            position = end
        self._inodes[number].change(*changes)

    def truncate(self, number: int, size: int) -> None:
        """Cuts a file, or grows it with zeros."""

        def cut(state: _State) -> None:
            state.content[:] = state.content[:size].ljust(size, b"\0")

        self._inodes[number].change(cut)

    def set_mode(self, number: int, mode: int) -> None:
        """Changes permission bits."""

        def set_bits(state: _State) -> None:
            state.mode = stat.S_IFMT(state.mode) | mode

        self._inodes[number].change(set_bits)

    def set_owner(self, number: int, owner: tuple[int, int]) -> None:
        """Changes user and group, -1: not that."""

        def set_ids(state: _State) -> None:
            uid, gid = (
                old if new == -1 else new for old, new in zip(state.owner, owner, strict=True)
            )
            state.owner = (uid, gid)

        self._inodes[number].change(set_ids)

    def size(self, number: int) -> int:
        """Bytes in a file, as programs see it."""
        return len(self._inodes[number].current.content)

    def content(self, number: int) -> bytes:
        """Content of a file, as programs see it."""
        return bytes(self._inodes[number].current.content)

    def sync(self, number: int) -> None:
        """What ``fsync`` and ``fdatasync`` do to a file or directory."""
        self._inodes[number].sync()
        if self._is_lenient:
            self._sync_names_of(number)

    def sync_all(self) -> None:
        """What ``sync`` and ``syncfs`` do."""
        for inode in self._inodes:
            inode.sync()

    def seen(self) -> Image:
        """What programs see now."""
        return self._image(lambda inode: inode.current)

    def synced(self) -> Image:
        """What is left when nothing survives that was not synced."""
        return self._image(lambda inode: inode.durable)

    def partly_synced(self, rng: random.Random) -> Image:
        """What is left when chance wrote back some of what was not synced."""

        def pick(inode: _Inode) -> _State:
            if not inode.pending:
                return inode.durable
            state = inode.durable.copy()
            share = rng.random()
            for change in inode.pending:
                if rng.random() < share:
                    change(state)
            return state

        return self._image(pick)

    def _image(self, pick: _Pick) -> Image:
        states = [pick(inode) for inode in self._inodes]
        image: dict[str, Node] = {}
        open_directories = [("", states[0])]
        while open_directories:
            prefix, directory = open_directories.pop()
            for name, number in sorted(directory.entries.items()):
                state, path = states[number], prefix + name
                image[path] = Node(state.mode, state.owner, bytes(state.content))
                if stat.S_ISDIR(state.mode):
                    open_directories.append((path + "/", state))
        return dict(sorted(image.items()))

    def _new(self, mode: int, owner: tuple[int, int], content: bytes = b"") -> int:
        state = _State(mode, owner, bytearray(content))
        self._inodes.append(_Inode(current=state, durable=state.copy()))
        return len(self._inodes) - 1

    def _link(self, path: str, number: int) -> None:
        parent, name = self._parent(path)

        def put(state: _State) -> None:
            state.entries[name] = number

        self._inodes[parent].change(put)

    def _parent(self, path: str) -> tuple[int, str]:
        whole = PurePosixPath(path)
        parent = self.look_up(str(whole.parent))
        if parent is None or not whole.name:
            raise UnmodelledError(f"{path} has no directory")
        return parent, whole.name

    def _sync_names_of(self, number: int) -> None:
        for inode in self._inodes:
            for name, entry in inode.current.entries.items():
                if entry == number and inode.durable.entries.get(name) != number:
                    inode.sync()
                    break


def _writing(offset: int, data: bytes) -> _Change:
    def write(state: _State) -> None:
        if len(state.content) < offset:
            state.content.extend(bytes(offset - len(state.content)))
        state.content[offset : offset + len(data)] = data

    return write


def _drop(state: _State, name: str) -> None:
    state.entries.pop(name, None)
