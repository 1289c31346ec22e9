"""Repeats on a model disk what traced programs did below one folder.

Every call that changes something there is either repeated or refused: a new way to write does not
pass by unseen. The memory-mapped ``-shm`` file of SQLite is the one exception; what is written
through a mapping is never durable.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.power.disk_image import UnmodelledError
from tests.support.power.model_disk import Disk
from tests.support.power.traced_calls import Call

_REFUSED = {
    *("fallocate", "truncate", "sync_file_range", "sendfile", "splice"),
    *("pwritev", "pwritev2", "mknod", "mknodat", "openat2", "creat", "io_uring_setup"),
}
"""Not repeated. Where one of these reaches the folder the model has to learn it."""


@dataclass(slots=True)
class _OpenFile:
    """One ``open``: what its descriptors have in common."""

    inode: int
    flags: frozenset[str]
    position: int = 0


@dataclass(slots=True)
class _Process:
    """What the threads of a process share."""

    umask: int
    files: dict[int, _OpenFile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """A call that changed the disk, or synced something."""

    name: str
    """The call and the paths, for messages."""
    is_sync: bool


class TracedDisk:
    """Takes calls in the order in which they returned.

    Args:
        root: real path of the folder, as the traced programs wrote it.
        disk: model of the folder as it was at the first call.
    """

    def __init__(self, root: Path, disk: Disk) -> None:
        self.disk = disk
        self._root = os.fspath(root)
        mask = os.umask(0)
        os.umask(mask)
        self._first = _Process(mask)
        self._processes: dict[int, _Process] = {}
        self._parents: dict[int, Call] = {}
        self._owner = (os.geteuid(), os.getegid())

    def expect_children(self, calls: list[Call]) -> None:
        """Says beforehand who begins whom: a child may be seen before its parent's call returns."""
        for call in calls:
            if call.name in {"clone", "clone3", "fork", "vfork"} and call.result > 0:
                self._parents[call.result] = call

    def take(self, call: Call) -> Step | None:
        """Repeats one call; ``None``: it left the disk as it was.

        Raises:
            UnmodelledError: it did something that the model does not know.
        """
        if call.result < 0:
            return None
        process = self._process(call.thread)
        handler = _HANDLERS.get(call.name)
        if handler is not None:
            return handler(self, process, call)
        readable = _readable(call)
        is_clone = call.name == "ioctl" and "FICLONE" in readable
        if (call.name in _REFUSED or is_clone) and self._root in readable:
            raise UnmodelledError(f"{call.name}({readable})")
        return None

    def _process(self, thread: int) -> _Process:
        if thread not in self._processes:
            birth = self._parents.get(thread)
            parent = self._first if birth is None else self._process(birth.thread)
            is_thread = birth is None or "CLONE_FILES" in " ".join(birth.arguments)
            copy = _Process(parent.umask, dict(parent.files))
            self._processes[thread] = parent if is_thread else copy
        return self._processes[thread]

    def _below(self, path: str) -> str | None:
        """The path below the root; ``None``: it is elsewhere."""
        whole = os.path.normpath(path)
        if whole == self._root:
            return ""
        return whole.removeprefix(f"{self._root}/") if whole.startswith(f"{self._root}/") else None

    def _path(self, call: Call, index: int, *, at: int | None = None) -> str | None:
        """Argument as a path below the root.

        Args:
            call: the call.
            index: of the path.
            at: index of the descriptor that it starts from.
        """
        path = os.fsdecode(call.text(index))
        if not path.startswith("/"):
            start = os.getcwd() if at is None else call.descriptor(at).path
            path = f"{start}/{path}"
        return self._below(path)

    def _file(self, process: _Process, call: Call) -> _OpenFile | None:
        """The open file of the first argument, if it is one of ours."""
        descriptor = call.descriptor(0)
        if self._below(descriptor.path) is None:
            return None
        found = process.files.get(descriptor.number)
        if found is None:
            raise UnmodelledError(f"{call.name} on {descriptor}, which was opened unseen")
        return found

    def _found(self, path: str, *, follow: bool = True) -> int:
        number = self.disk.look_up(path, follow=follow)
        if number is None:
            raise UnmodelledError(f"there is no {path} on the model disk")
        return number

    def _open(self, process: _Process, call: Call) -> Step | None:
        first = 1 if call.name == "openat" else 0
        path = self._path(call, first, at=0 if first else None)
        process.files.pop(call.result, None)
        if path is None:
            return None
        flags = frozenset(call.arguments[first + 1].split("|"))
        if "O_TMPFILE" in flags:
            raise UnmodelledError(f"{path}: O_TMPFILE")
        number = self.disk.look_up(path)
        step = None
        if number is None:
            mode = call.number(first + 2) & ~process.umask
            number = self.disk.create(path, stat.S_IFREG | mode, self._owner)
            step = Step(f"create {path}", is_sync=False)
        elif "O_TRUNC" in flags and self.disk.size(number):
            self.disk.truncate(number, 0)
            step = Step(f"empty {path}", is_sync=False)
        process.files[call.result] = _OpenFile(number, flags)
        return step

    def _close(self, process: _Process, call: Call) -> None:
        process.files.pop(call.descriptor(0).number, None)

    def _duplicate(self, process: _Process, call: Call) -> None:
        if call.name == "fcntl" and not call.arguments[1].startswith("F_DUPFD"):
            return
        old = process.files.get(call.descriptor(0).number)
        process.files.pop(call.result, None)
        if old is not None:
            process.files[call.result] = old

    def _seek(self, process: _Process, call: Call) -> None:
        if file := self._file(process, call):
            file.position = call.result

    def _read(self, process: _Process, call: Call) -> None:
        if self._below(call.descriptor(0).path) and (file := self._file(process, call)):
            file.position += call.result

    def _write(self, process: _Process, call: Call) -> Step | None:
        file = self._file(process, call)
        if file is None:
            return None
        data = b"".join(call.texts(1))[: call.result]
        is_placed = call.name == "pwrite64"
        offset = call.number(3) if is_placed else file.position
        if "O_APPEND" in file.flags:
            offset = self.disk.size(file.inode)
        self.disk.write(file.inode, offset, data)
        if not is_placed:
            file.position = offset + len(data)
        if file.flags & {"O_SYNC", "O_DSYNC"}:
            self.disk.sync(file.inode)
        return self._step(call, f"write {len(data)} bytes at {offset} of", is_sync=False)

    def _copy(self, process: _Process, call: Call) -> Step | None:
        if self._below(call.descriptor(2).path) is None:
            return None
        source = process.files.get(call.descriptor(0).number)
        target = process.files.get(call.descriptor(2).number)
        is_placed = {call.arguments[1], call.arguments[3]} != {"NULL"}
        if source is None or target is None or is_placed:
            raise UnmodelledError(f"copy_file_range({_readable(call)})")
        data = self.disk.content(source.inode)[source.position :][: call.result]
        self.disk.write(target.inode, target.position, data)
        source.position += call.result
        target.position += call.result
        return Step(f"copy into {call.descriptor(2).path}", is_sync=False)

    def _truncate(self, process: _Process, call: Call) -> Step | None:
        if file := self._file(process, call):
            self.disk.truncate(file.inode, call.number(1))
            return self._step(call, "truncate", is_sync=False)
        return None

    def _sync(self, process: _Process, call: Call) -> Step | None:
        if file := self._file(process, call):
            self.disk.sync(file.inode)
            return self._step(call, "sync", is_sync=True)
        return None

    def _sync_all(self, _process: _Process, _call: Call) -> Step:
        self.disk.sync_all()
        return Step("sync of everything", is_sync=True)

    def _map(self, _process: _Process, call: Call) -> None:
        is_writing = "MAP_SHARED" in call.arguments[3] and "PROT_WRITE" in call.arguments[2]
        path = call.descriptor(4).path if is_writing else ""
        if self._below(path) is not None and not path.endswith("-shm"):
            raise UnmodelledError(f"{path} is written through a mapping")

    def _rename(self, _process: _Process, call: Call) -> Step | None:
        old, new = self._two_paths(call)
        if old is None and new is None:
            return None
        if old is None or new is None or "RENAME_EXCHANGE" in call.arguments[-1]:
            raise UnmodelledError(f"rename {old} to {new}")
        self.disk.rename(old, new)
        return Step(f"rename {old} to {new}", is_sync=False)

    def _link(self, _process: _Process, call: Call) -> Step | None:
        old, new = self._two_paths(call)
        if new is None:
            return None
        if old is None:
            raise UnmodelledError(f"link to {new}")
        self.disk.link(new, self._found(old, follow=False))
        return Step(f"link {old} to {new}", is_sync=False)

    def _two_paths(self, call: Call) -> tuple[str | None, str | None]:
        if call.name in {"rename", "link"}:
            return self._path(call, 0), self._path(call, 1)
        return self._path(call, 1, at=0), self._path(call, 3, at=2)

    def _symlink(self, _process: _Process, call: Call) -> Step | None:
        at = 1 if call.name == "symlinkat" else None
        path = self._path(call, 1 if at is None else 2, at=at)
        if path is None:
            return None
        self.disk.create(path, stat.S_IFLNK | 0o777, self._owner, call.text(0))
        return Step(f"make the link {path}", is_sync=False)

    def _unlink(self, _process: _Process, call: Call) -> Step | None:
        path = self._one_path(call)
        if path is None:
            return None
        self.disk.unlink(path)
        return Step(f"remove {path}", is_sync=False)

    def _mkdir(self, process: _Process, call: Call) -> Step | None:
        path = self._one_path(call)
        if path is None:
            return None
        mode = call.number(2 if call.name.endswith("at") else 1) & ~process.umask
        self.disk.create(path, stat.S_IFDIR | mode, self._owner)
        return Step(f"make the directory {path}", is_sync=False)

    def _one_path(self, call: Call) -> str | None:
        if call.name.endswith("at"):
            return self._path(call, 1, at=0)
        return self._path(call, 0)

    def _inode_of(self, process: _Process, call: Call) -> tuple[int, str, int] | None:
        """Inode, path and index of the next argument, for changes of mode and owner."""
        if call.name in {"fchmod", "fchown"}:
            file = self._file(process, call)
            return None if file is None else (file.inode, call.descriptor(0).path, 1)
        path = self._one_path(call)
        follow = call.name != "lchown" and "AT_SYMLINK_NOFOLLOW" not in call.arguments[-1]
        after = 2 if call.name.endswith("at") else 1
        return None if path is None else (self._found(path, follow=follow), path, after)

    def _change_mode(self, process: _Process, call: Call) -> Step | None:
        if found := self._inode_of(process, call):
            number, path, index = found
            self.disk.set_mode(number, call.number(index))
            return Step(f"change the mode of {path}", is_sync=False)
        return None

    def _change_owner(self, process: _Process, call: Call) -> Step | None:
        if found := self._inode_of(process, call):
            number, path, index = found
            self.disk.set_owner(number, (call.number(index), call.number(index + 1)))
            return Step(f"change the owner of {path}", is_sync=False)
        return None

    def _set_umask(self, process: _Process, call: Call) -> None:
        process.umask = call.number(0)

    def _step(self, call: Call, what: str, *, is_sync: bool) -> Step:
        return Step(f"{what} {self._below(call.descriptor(0).path) or '.'}", is_sync=is_sync)


_Handler = Callable[[TracedDisk, _Process, Call], Step | None]
_HANDLERS: dict[str, _Handler] = {
    name: handler
    for names, handler in {
        "open openat": TracedDisk._open,
        "close": TracedDisk._close,
        "dup dup2 dup3 fcntl": TracedDisk._duplicate,
        "lseek": TracedDisk._seek,
        "read readv": TracedDisk._read,
        "write writev pwrite64": TracedDisk._write,
        "copy_file_range": TracedDisk._copy,
        "ftruncate": TracedDisk._truncate,
        "fsync fdatasync": TracedDisk._sync,
        "sync syncfs": TracedDisk._sync_all,
        "mmap": TracedDisk._map,
        "rename renameat renameat2": TracedDisk._rename,
        "link linkat": TracedDisk._link,
        "symlink symlinkat": TracedDisk._symlink,
        "unlink unlinkat rmdir": TracedDisk._unlink,
        "mkdir mkdirat": TracedDisk._mkdir,
        "chmod fchmod fchmodat": TracedDisk._change_mode,
        "chown lchown fchown fchownat": TracedDisk._change_owner,
        "umask": TracedDisk._set_umask,
    }.items()
    for name in names.split()
}


def _readable(call: Call) -> str:
    """Arguments with their texts, paths and all."""
    arguments = ", ".join(call.arguments)
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), arguments)
