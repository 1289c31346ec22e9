"""A network namespace of a test's own, with as many interfaces as it wants. Needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.programs import require_program


class Namespace:
    """A network namespace that lives as long as its holder process."""

    def __init__(self, holder: subprocess.Popen[bytes]) -> None:
        self._enter = ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"]

    def command(self, *words: str | Path) -> list[str]:
        """A command line that runs ``words`` inside."""
        return [*self._enter, *map(str, words)]

    def run(self, *words: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
        """Runs a command inside to its end; it must succeed."""
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **settings,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done

    def make_cable(self, one: str, other: str) -> None:
        """Two interfaces joined by a cable, both up."""
        self.run("ip", "link", "add", one, "type", "veth", "peer", "name", other)
        for name in (one, other):
            self.run("ip", "link", "set", name, "up")


@contextmanager
def open_namespace() -> Iterator[Namespace]:
    """A namespace; skips where the test has no right to make one."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces are made as root here: sudo make test")
    require_program("ip", package="iproute2")
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo ready; read -r _"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        yield Namespace(holder)
    finally:
        holder.communicate(b"\n", timeout=30)
