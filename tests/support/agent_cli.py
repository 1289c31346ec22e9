"""`sceplab-agent` as its user runs it: a process, a configuration file, a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCES = [str(ROOT / folder) for folder in ("agent", "hsm", "devices", "simulations")]


@dataclass(frozen=True, slots=True)
class AgentRun:
    """How a run ended."""

    status: int
    out: str
    err: str

    def document(self) -> Any:
        """What ``--json`` printed."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class AgentFolder:
    """A folder with one agent's configuration, keys and state."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of the agent's process beside our own."""
    launcher: tuple[str, ...] = ()
    """Program and arguments that start the agent, for example inside a namespace."""
    program: tuple[str, ...] = ("-m", "sceplab_agent")
    """What Python runs."""

    def command_line(self, *words: str) -> list[str]:
        """The agent with these words."""
        return [*self.launcher, sys.executable, *self.program, *words]

    def configure(
        self,
        url: str,
        *,
        fingerprint: str,
        challenge: str,
        floor: str = "modern",
        extra: str = "",
        store: str = "soft:keys?kdf=lab",
        secret: str = "file:passphrase",
        fallback: str = "",
    ) -> None:
        """Writes a configuration with trustpoint ``lab``; ``extra`` is TOML inside its table.

        The ``fallback`` store has the secret in ``passphrase``.
        """
        lines = [f'uri = "{store}"', f'secret = "{secret}"']
        if fallback:
            lines += [f'fallback = "{fallback}"', 'fallback_secret = "file:passphrase"']
        keystore = "\n".join(lines)
        for name, text in (("passphrase", "correct horse"), ("challenge", challenge)):
            path = self.folder / name
            path.write_text(text + "\n")
            path.chmod(0o600)
        (self.folder / "agent.toml").write_text(
            f"""\
[agent]
state_dir = "state"

[keystore]
{keystore}

[trustpoint.lab]
url = "{url}"
fingerprint = "sha256:{fingerprint}"
subject = "CN=router1.example.test,O=Example"
dns_names = ["router1.example.test"]
challenge = "file:challenge"
floor = "{floor}"
{extra}
"""
        )

    def run(self, command: str, *words: str) -> AgentRun:
        """Runs one command of the agent, of one word or two, to its end."""
        done = subprocess.run(
            self.command_line(*command.split(), "-c", "agent.toml", *words),
            cwd=self.folder,
            env={**os.environ, **self.environment, "PYTHONPATH": os.pathsep.join(SOURCES)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return AgentRun(done.returncode, done.stdout, done.stderr)

    @property
    def certificate(self) -> Path:
        """The installed certificate."""
        return self.folder / "state" / "lab" / "certificate.pem"
