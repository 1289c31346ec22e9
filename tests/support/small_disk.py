"""A small disk of a test's own under one folder, to be filled or made read-only.

It is a tmpfs in a mount namespace, so nothing outside sees it; programs are started inside.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_FILLER = ".filler"


class SmallDisk:
    """A mounted disk; lives as long as its holder process.

    Args:
        holder: a process in the mount namespace.
        folder: where the disk is mounted.
    """

    def __init__(self, holder: subprocess.Popen[bytes], folder: Path) -> None:
        self._folder = folder
        self._space = f"/proc/{holder.pid}/ns"

    def launcher(self, working_directory: Path) -> tuple[str, ...]:
        """Words in front of a command line that run it inside, in that directory."""
        enter = ["nsenter", f"--mount={self._space}/mnt"]
        if os.geteuid() != 0:
            enter += [f"--user={self._space}/user", "--preserve-credentials"]
        change = ("sh", "-c", 'cd "$0" && exec "$@"', str(working_directory))
        return (*enter, "--", *change)

    def fill(self) -> None:
        """Leaves no room, not even a block."""
        self._run(f'cat /dev/zero > "$1/{_FILLER}" 2>/dev/null; test -s "$1/{_FILLER}"')

    def make_room(self) -> None:
        """Takes back what `fill` put there."""
        self._run(f'rm "$1/{_FILLER}"')

    def set_writable(self, is_writable: bool) -> None:
        """Mounts the disk anew for reading and writing, or for reading alone."""
        self._run(f'mount --options-mode ignore -o remount,{"rw" if is_writable else "ro"} "$1"')

    def _run(self, script: str) -> None:
        words = [*self.launcher(Path("/")), "sh", "-c", script, "sh", str(self._folder)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{script}: {done.stderr}"


@contextmanager
def mount_small_disk(folder: Path, *, size_kib: int) -> Iterator[SmallDisk]:
    """A disk under a folder, which has to be there; skips where nobody may mount one."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = f'mount -t tmpfs -o size={size_kib}k,mode=700 none "$0" && echo ready && read -r _'
    holder = subprocess.Popen(
        ["unshare", *as_root, "--mount", "sh", "-c", script, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    try:
        is_ready = holder.stdout.readline() == b"ready\n"
    finally:
        if holder.poll() is None and not is_ready:
            holder.wait(timeout=30)
    try:
        if not is_ready:
            assert holder.stderr is not None
            reason = holder.stderr.read().decode().strip()
            pytest.skip(f"neither root nor user namespaces to mount a disk in: {reason}")
        yield SmallDisk(holder, folder)
    finally:
        holder.communicate(b"\n" if is_ready else None, timeout=30)
