"""System calls as strace writes them (``-f -y -xx``), as data.

With ``-xx`` every text is hexadecimal, so that quotes, commas and brackets are strace's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

NAMES = (
    "open,openat,openat2,creat,close,dup,dup2,dup3,fcntl,lseek,"
    "read,readv,write,writev,pwrite64,pwritev,pwritev2,truncate,ftruncate,fallocate,"
    "fsync,fdatasync,sync,syncfs,sync_file_range,msync,mmap,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,"
    "mkdir,mkdirat,mknod,mknodat,chmod,fchmod,fchmodat,chown,lchown,fchown,fchownat,"
    "copy_file_range,sendfile,splice,io_uring_setup,ioctl,"
    "clone,clone3,fork,vfork,umask,sendto,sendmsg,recvfrom,recvmsg"
)
"""Calls to be traced: all that change a file system, or say what another one is about."""

OPTIONS = ("-f", "-y", "-xx", "-s", "16777216", "-e", "signal=none", "-e", f"trace={NAMES}")
"""Of strace."""

_LINE = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)", re.DOTALL)
_WHOLE = re.compile(r"(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(.*)", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD)(?:<((?:\\x[0-9a-f]{2})*)>)?(\(deleted\))?")


class TraceError(Exception):
    """The trace is not as strace writes it."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A file descriptor and what it was open on."""

    number: int
    """-1: the working directory."""
    path: str
    """Where the file is now; empty: strace does not say."""


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that has returned."""

    thread: int
    name: str
    arguments: tuple[str, ...]
    """As strace writes them; `text`, `texts` and `descriptor` read them."""
    result: int
    """-1: it failed, or never returned."""

    def text(self, index: int) -> bytes:
        """The one text of an argument."""
        (found,) = self.texts(index)
        return found

    def texts(self, index: int) -> list[bytes]:
        """All texts of an argument, such as the parts of a ``writev``."""
        found = []
        for match in _TEXT.finditer(self.arguments[index]):
            if match[2]:
                raise TraceError(f"{self.name}: a text is cut short")
            found.append(_decoded(match[1]))
        return found

    def descriptor(self, index: int) -> Descriptor:
        """A file descriptor among the arguments."""
        match = _DESCRIPTOR.fullmatch(self.arguments[index])
        if match is None:
            raise TraceError(f"{self.name}: {self.arguments[index][:80]} is no file descriptor")
        number = -1 if match[1] == "AT_FDCWD" else int(match[1])
        return Descriptor(number, _decoded(match[2] or "").decode("utf-8", "surrogateescape"))

    def number(self, index: int) -> int:
        """A number among the arguments; octal with a leading zero."""
        return _number(self.arguments[index])


def read_calls(lines: Iterable[str]) -> Iterator[Call]:
    """The calls of a trace in the order in which they returned.

    Raises:
        TraceError: a line is not understood.
    """
    begun: dict[int, str] = {}
    for line in lines:
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            raise TraceError(f"not a line of strace: {line[:80]!r}")
        thread, rest = int(match["pid"]), match["rest"]
        if rest.startswith(("+++", "---")):
            continue
        if rest.endswith(_UNFINISHED):
            begun[thread] = rest.removesuffix(_UNFINISHED)
            continue
        if resumed := _RESUMED.fullmatch(rest):
            rest = begun.pop(thread) + resumed[1]
        whole = _WHOLE.fullmatch(rest)
        if whole is None:
            raise TraceError(f"not a call: {rest[:80]!r}")
        result = -1 if whole[3] == "?" else _number(whole[3])
        yield Call(thread, whole[1], tuple(_split(whole[2])), result)


def _split(arguments: str) -> Iterator[str]:
    """Parts at the commas that are in no brackets."""
    depth, start = 0, 0
    for match in re.finditer(r"[\[{(<]|[\]})>]|, ", arguments):
        if match[0] == ", ":
            if not depth:
                yield arguments[start : match.start()]
                start = match.end()
        else:
            depth += 1 if match[0] in "[{(<" else -1
    if arguments:
        yield arguments[start:]


def _number(word: str) -> int:
    return int(word, 8) if re.fullmatch(r"0[0-7]+", word) else int(word, 0)


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
