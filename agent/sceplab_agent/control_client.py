"""Asks the agent that runs in a state directory, where one does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sceplab_agent.daemon.control_socket import connect
from sceplab_agent.errors import AgentError

_MAX_LINE_BYTES = 64 * 1024 * 1024
"""A status of thousands of trustpoints is one line."""


def ask_agent(state_dir: Path, request: Mapping[str, object]) -> Iterator[dict[str, Any]] | None:
    """The lines of the agent's answer, as they come; ``None``: no agent runs there.

    Raises:
        AgentError: while iterating: the agent went away, or does not speak our language.
    """
    connection = connect(state_dir)
    if connection is None:
        return None

    def replies() -> Iterator[dict[str, Any]]:
        with connection, connection.makefile("rb") as stream:
            try:
                connection.sendall(json.dumps(request).encode() + b"\n")
                for line in iter(lambda: stream.readline(_MAX_LINE_BYTES), b""):
                    reply = json.loads(line)
                    if not isinstance(reply, dict):
                        raise ValueError("no object")
                    yield reply
                    if "ok" in reply:
                        return
            except (OSError, ValueError) as error:
                raise AgentError(f"the running agent in {state_dir} did not answer") from error
            raise AgentError(f"the running agent in {state_dir} has ended; run the command again")

    return replies()
