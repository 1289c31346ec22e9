"""A rack in a process of its own, as its user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.agent_cli import SOURCES

END_S = 30


@dataclass
class RackProcess:
    """A rack that runs.

    Attributes:
        folder: with the rack file and what came of it.
        ready: the ready object.
    """

    folder: Path
    ready: dict[str, Any]

    def inventory(self, form: str) -> Path:
        """File that `sceplab inventory` made for a tool."""
        words = ("inventory", "-i", "rack.yaml", "--running", "ready.json", "--format", form)
        done = subprocess.run(
            _command(*words), cwd=self.folder, env=_environment({}), capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        file = self.folder / (form if form == "ssh-config" else f"{form}.yaml")
        file.write_text(done.stdout, encoding="utf-8")
        return file


@contextmanager
def serving_rack(folder: Path, text: str, secrets: Mapping[str, str]) -> Iterator[RackProcess]:
    """Starts a rack and ends it.

    Args:
        folder: for everything.
        text: of the rack file.
        secrets: environment variables that the file refers to.
    """
    (folder / "rack.yaml").write_text(text, encoding="utf-8")
    with subprocess.Popen(
        _command("device", "serve", "-i", "rack.yaml", "--json"), cwd=folder,
        env=_environment(secrets), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            (folder / "ready.json").write_text(line, encoding="utf-8")
            yield RackProcess(folder, json.loads(line))
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(END_S) == 0
            assert process.stderr.read() == ""


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "sceplab_lab", *words]


def _environment(secrets: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **secrets, "PYTHONPATH": os.pathsep.join(SOURCES)}
