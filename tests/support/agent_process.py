"""An agent as a running process beside a server that waits for approvals."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes

from sceplab_ndes.state import ServerState
from tests.support.agent_cli import SOURCES, AgentFolder

WATCHDOG_S = 150
"""When a process that hangs is ended, so that its test fails instead of hanging, too."""
PROMPT_S = 10
"""Ample for a loaded machine; what is waited for takes a fraction of a second."""


def now() -> datetime:
    """The real time: the agent's command line has no other."""
    return datetime.now(UTC)


def configure(
    folder: Path, server: ServerState, url: str, *, extra: str = "", **store: str
) -> AgentFolder:
    """A folder for one agent with a one-time password and quick polls.

    Args:
        folder: of the agent.
        server: gives the password.
        url: of the server.
        extra: TOML inside the trustpoint's table.
        store: ``store``, ``secret`` and ``fallback``, as `AgentFolder.configure` takes them.
    """
    password = server.challenge.issue("admin", now())
    assert password is not None
    agent = AgentFolder(folder)
    fingerprint = server.hierarchy.root.certificate.fingerprint(hashes.SHA256()).hex()
    quick = "poll = { first_s = 0.1, ceiling_s = 0.1, max_polls = 10000 }"
    agent.configure(
        url,
        fingerprint=fingerprint,
        challenge=password.reveal(),
        extra=f"{quick}\n{extra}",
        **store,
    )
    return agent


class Running:
    """A command under way; its standard error is read line by line.

    Args:
        agent: its folder.
        command: of the command line.
        words: behind the configuration.
        program: what Python runs instead of the folder's program.
    """

    def __init__(
        self,
        agent: AgentFolder,
        command: str,
        *words: str,
        program: Sequence[str] = (),
    ) -> None:
        if program:
            agent = replace(agent, program=tuple(program))
        self.process = subprocess.Popen(
            agent.command_line(command, "-c", "agent.toml", *words),
            cwd=agent.folder,
            env={**os.environ, **agent.environment, "PYTHONPATH": os.pathsep.join(SOURCES)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(WATCHDOG_S, self.process.kill)
        self._watchdog.start()

    def wait_for(self, text: str) -> str:
        """Reads progress until a line has the text; that line."""
        (line,) = self.wait_for_each(text)
        return line

    def wait_for_each(self, *texts: str) -> list[str]:
        """Reads progress until every text was in a line, in any order; those lines, by text."""
        assert self.process.stderr is not None
        seen: list[str] = []
        found: dict[str, str] = {}
        for line in self.process.stderr:
            seen.append(line)
            for text in texts:
                if text in line:
                    found.setdefault(text, line)
            if len(found) == len(texts):
                return [found[text] for text in texts]
        missing = ", ".join(repr(text) for text in texts if text not in found)
        raise AssertionError(f"{missing} never came:\n{''.join(seen)}")

    def end(self, number: int) -> tuple[int, str, str]:
        """Sends a signal; gives exit status, output and the rest of the progress."""
        self.process.send_signal(number)
        return self.finish()

    def finish(self) -> tuple[int, str, str]:
        """Waits for an end that is under way; gives what `end` gives."""
        out, err = self.process.communicate(timeout=PROMPT_S)
        self._watchdog.cancel()
        return self.process.returncode, out, err


def start_and_pend(
    agent: AgentFolder, command: str, *words: str, program: Sequence[str] = ()
) -> Running:
    """A command of the agent whose request waits for an approval."""
    running = Running(agent, command, *words, program=program)
    running.wait_for("enrollment.pending")
    return running


def approve_all(server: ServerState) -> None:
    """The administrator approves what waits."""
    for request in server.administration.pending():
        server.administration.approve(request.request_id, now())
