"""`sceplab ndes` as its user runs it: in this process, or serving in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from sceplab_ndes.cli import app
from tests.support.agent_cli import SOURCES


def run(*words: str | Path) -> Result:
    """Runs a command in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def read_json(result: Result) -> Any:
    """What a command with --json printed."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


_PROGRAM = ("-c", "from sceplab_ndes.cli import app; app()")


@contextmanager
def serving(
    state: Path, *words: str, program: Sequence[str] = _PROGRAM, **environment: str
) -> Iterator[dict[str, Any]]:
    """A server process; yields its ready object.

    Args:
        state: its folder.
        words: behind ``serve``.
        program: what Python runs.
        environment: variables beside our own.
    """
    command = [sys.executable, "-W", "error", *program]
    process = subprocess.Popen(
        [*command, "serve", "--state", str(state), "--json", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(SOURCES)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield json.loads(line)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        process.stdout.close()
        process.stderr.close()
