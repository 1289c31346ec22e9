"""`sceplab-agent run` as a service manager runs it: started, told when it is up, ended."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.proc import cpu_s
from tests.support.agent_cli import AgentFolder
from tests.support.source_tree import source_environment

_PATIENCE_S = 120.0
_COMMAND = (sys.executable, "-m", "sceplab_agent", "run", "-c", "agent.toml", "--quiet")


@dataclass(frozen=True, slots=True)
class ServedAgent:
    """A service whose trustpoints all have their certificate."""

    process: subprocess.Popen[bytes]
    manager: socket.socket
    """Where the service tells how it is."""
    start_cpu_s: float
    """CPU time of the process until the last trustpoint was served."""

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    def watch(self, seconds: float) -> None:
        """Returns after this time, if the service had nothing to tell in it.

        Raises:
            RuntimeError: a trustpoint is not at rest, or the service ended.
        """
        self.manager.settimeout(seconds)
        try:
            said = self.manager.recv(65536).decode()
        except TimeoutError:
            said = ""
        if said or self.process.poll() is not None:
            raise RuntimeError(f"the service is not at rest: {said or 'it ended'}")


@contextmanager
def served_agent(agent: AgentFolder, count: int) -> Iterator[ServedAgent]:
    """Runs the service over a folder of `resting_agents.Fleet`.

    Args:
        agent: its folder.
        count: of trustpoints in it.

    Raises:
        TimeoutError: they do not all come to rest.
    """
    place = agent.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place))
        manager.settimeout(_PATIENCE_S)
        environment = {**source_environment(), "NOTIFY_SOCKET": str(place)}
        process = subprocess.Popen(
            _COMMAND, cwd=agent.folder, env=environment, stdout=subprocess.DEVNULL
        )
        try:
            wanted = f"STATUS={count} trustpoints: {count} INSTALLED"
            while wanted not in manager.recv(65536).decode().splitlines():
                pass
            yield ServedAgent(process, manager, cpu_s(process.pid))
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)
            place.unlink()
