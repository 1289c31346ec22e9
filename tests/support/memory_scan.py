"""Looks for a private key in the memory of another process, as an attacker with root would.

`find_numbers` looks for known numbers. `find_factor` needs none: a prime of the modulus divides it,
so every place in memory that could hold one is tried; `holds_factor` does it to any bytes. The
first two read ``/proc/PID/mem``; the process is a child of ours, or we are root.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_REGION = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r(w)")
_WORD = 8
"""OpenSSL and its relatives keep big numbers as words, lowest first, at addresses of this step."""


def writable_memory(pid: int) -> Iterator[bytes]:
    """The contents of every readable and writable region: heap, stacks, anonymous maps, data."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="ascii").splitlines():
            match = _REGION.match(line)
            if match is None:
                continue
            start, end = int(match[1], 16), int(match[2], 16)
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue  # unmapped since, or a page of the kernel's own
            if content:
                yield content


def find_numbers(pid: int, numbers: dict[str, int]) -> set[str]:
    """Names of the numbers that stand in the memory, in either byte order.

    Args:
        pid: of the process.
        numbers: what to look for, by name.
    """
    spellings = {
        name: _spellings(number, (number.bit_length() + 7) // 8) for name, number in numbers.items()
    }
    found = set()
    for region in writable_memory(pid):
        for name, (big, little) in spellings.items():
            if big in region or little in region:
                found.add(name)
    return found


def find_factor(pid: int, modulus: int, tried: set[bytes] | None = None) -> bool:
    """Whether a prime factor of an RSA modulus stands in the memory.

    Words in both orders at word addresses, and big-endian bytes anywhere behind the DER header of
    an INTEGER, are tried: how OpenSSL, Botan and libtpms hold numbers, and how keys are encoded.

    Args:
        pid: of the process.
        modulus: of the key.
        tried: what earlier looks tried, to be handed on; saves most of the time.
    """
    tried = set() if tried is None else tried
    return any(
        holds_factor(region, modulus, step=_WORD, tried=tried) for region in writable_memory(pid)
    )


def holds_factor(
    content: bytes, modulus: int, *, step: int = 1, tried: set[bytes] | None = None
) -> bool:
    """Whether a prime factor of an RSA modulus stands in these bytes, raw or in DER.

    Args:
        content: of a file, or of a region of memory.
        modulus: of the key.
        step: between the addresses at which a raw number may begin.
        tried: as for `find_factor`.
    """
    size = modulus.bit_length() // 16
    tried = set() if tried is None else tried
    for candidate in _candidates(content, size, step):
        if candidate in tried:
            continue
        tried.add(candidate)
        if modulus % int.from_bytes(candidate, "big") == 0:
            return True
    return False


def _candidates(region: bytes, size: int, step: int) -> Iterator[bytes]:
    """Odd numbers of full length and of random look, big-endian."""
    for offset in range(0, len(region) - size + 1, step):
        lowest, highest = region[offset], region[offset + size - 1]
        if lowest & 1 and highest & 0x80 and _looks_random(region[offset : offset + size]):
            yield region[offset : offset + size][::-1]
        if region[offset] & 0x80 and region[offset + size - 1] & 1:
            window = region[offset : offset + size]
            if _looks_random(window):
                yield window
    header = b"\x02\x81" + bytes([size + 1]) + b"\x00"
    start = region.find(header)
    while start >= 0:
        window = region[start + len(header) : start + len(header) + size]
        if len(window) == size:
            yield window
        start = region.find(header, start + 1)


def _looks_random(window: bytes) -> bool:
    # 128 random bytes hold some 100 different ones; pointers, texts and code hold far fewer.
    return len(set(window[:32])) > 22 and len(set(window)) > len(window) // 2


def _spellings(number: int, size: int) -> tuple[bytes, bytes]:
    return number.to_bytes(size, "big"), number.to_bytes(size, "little")


class MemoryWatch:
    """Scans a process again and again, in a thread, from its entry to its exit.

    A library may hold a key only for the millisecond in which it signs; one look is not enough.

    Args:
        pid: of the process.
        scan: one look at it; gives what it found.
    """

    def __init__(self, pid: int, scan: Callable[[int], Iterable[str]]) -> None:
        self.found: set[str] = set()
        self.looks = 0
        self.has_found = threading.Event()
        self._pid = pid
        self._scan = scan
        self._is_over = threading.Event()
        self._looked = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="memory-watch")

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def look_once_more(self) -> None:
        """Returns after a look that began after this call, or when the process has ended."""
        with self._looked:
            target = self.looks + 2
            self._looked.wait_for(lambda: self.looks >= target or not self._thread.is_alive())

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self.found.update(self._scan(self._pid))
            except (FileNotFoundError, ProcessLookupError):
                return  # it has ended
            with self._looked:
                self.looks += 1
                self._looked.notify_all()
            if self.found:
                self.has_found.set()
