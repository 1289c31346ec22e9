"""The paths of the README, typed as they stand there."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.client_envs import client_python
from tests.support.source_tree import ROOT, source_environment

pytestmark = [pytest.mark.interop, pytest.mark.daemon]

PROGRAMS = {
    "sceplab": [sys.executable, "-m", "sceplab_lab"],
    "sceplab-agent": [sys.executable, "-m", "sceplab_agent"],
    "python": [sys.executable],
}
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```",
    (ROOT / "README.md").read_text(encoding="utf-8"),
    flags=re.DOTALL | re.MULTILINE,
)


def block(language: str) -> str:
    """The only code block of that language."""
    (found,) = (text for name, text in BLOCKS if name == language)
    return found


def commands(start: str) -> list[str]:
    """Every command of the README that starts so, continued lines joined, comments left out."""
    lines = "".join(text for name, text in BLOCKS if name == "sh").replace("\\\n", " ").splitlines()
    return [line.partition("#")[0] for line in lines if line.startswith(start)]


def argv(command: str) -> list[str]:
    """The command as words, with our programs run from the source."""
    first, *rest = shlex.split(command)
    return [*PROGRAMS[first], *rest]


def run(command: str | list[str], folder: Path) -> str:
    """What a command prints; it has to end well."""
    words = argv(command) if isinstance(command, str) else command
    done = subprocess.run(
        words, cwd=folder, env=source_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serving(command: str, folder: Path) -> Iterator[dict[str, Any]]:
    """A command that stays, on a free port; yields what it says when it is ready."""
    words = [*argv(re.sub(r"(--port |127\.0\.0\.1:)\d+( |$)", r"\g<1>0\2", command)), "--json"]
    with subprocess.Popen(
        words, cwd=folder, env=source_environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def test_path_of_the_firmware_team(tmp_path: Path) -> None:
    """Serve, fetch a password, write `agent.toml`, check, enroll, renew: two certificates."""
    serve = commands("sceplab ndes serve")[0].replace("--trace", "")
    with serving(serve, tmp_path) as server:
        for name, text in (
            ("challenge", run("sceplab ndes otp", tmp_path)),
            ("passphrase", "a passphrase\n"),
        ):
            (tmp_path / name).write_text(text, encoding="utf-8")
            (tmp_path / name).chmod(0o600)
        config = re.sub(r'url = ".*"', f'url = "{server["scep_url"]}"', block("toml"))
        config = config.replace("FINGERPRINT", server["ca_sha256"])
        (tmp_path / "agent.toml").write_text(config, encoding="utf-8")
        agent_commands = commands("sceplab-agent")
        assert [shlex.split(line)[1] for line in agent_commands] == ["check", "enroll", "renew"]
        for command in agent_commands:
            run(command, tmp_path)
        listed = json.loads(run("sceplab ndes list --json", tmp_path))
    assert (tmp_path / "state" / "lab" / "certificate.pem").exists()
    assert len(listed["certificates"]) == 2


def test_path_of_quality_assurance(tmp_path: Path) -> None:
    """Serve NDES and a router; the netmiko script shows the certificate at the console."""
    netmiko = str(client_python("main"))
    with serving(commands("sceplab ndes serve")[1], tmp_path) as server:
        (router_command,) = commands("sceplab device serve")
        router_command = re.sub(r"--server \S+", f"--server {server['scep_url']}", router_command)
        with serving(router_command, tmp_path) as router:
            port = router["consoles"][0].rpartition(":")[2]
            script = block("python").replace("2323", port)
            (tmp_path / "enroll.py").write_text(script, encoding="utf-8")
            password = run("sceplab ndes otp", tmp_path).strip()
            shown = run([netmiko, "enroll.py", password], tmp_path)
            listed = json.loads(run("sceplab ndes list --json", tmp_path))
    assert "Status: Available" in shown.partition("CA Certificate")[0]
    assert listed["certificates"][0]["serial"].upper() in shown
