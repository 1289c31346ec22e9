"""Network namespaces of a test's own, with as many interfaces as they want, and cables between.

Needs root, or to be run by `unshare --user --map-root-user --net --mount`.
"""

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
        self._pid = holder.pid
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

    def join(self, other: Namespace, here: str, there: str) -> None:
        """A cable to another namespace, both ends up.

        Args:
            other: the namespace.
            here: name of this end, and address with prefix length if it has one, as in
                ``port0 192.0.2.1/24``.
            there: of the other end.
        """
        (name, *addresses), (peer, *peer_addresses) = here.split(), there.split()
        self.run(
            "ip", "link", "add", name, "type", "veth",
            "peer", "name", peer, "netns", str(other._pid),
        )  # fmt: skip
        for space, end, values in ((self, name, addresses), (other, peer, peer_addresses)):
            for value in values:
                space.run("ip", "address", "add", value, "dev", end)
            space.run("ip", "link", "set", end, "up")

    def add_loopback(self, address: str) -> None:
        """Brings the loopback interface up and gives it one more address."""
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", address, "dev", "lo")


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
