"""`sceplab-agent run` beside `sceplab ndes serve` and `rollover`: a change of the CA in processes.

Both programs live under one clock that the test moves on by days.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from sceplab_agent.exit_codes import ExitCode
from tests.support import ndes_cli
from tests.support.agent_cli import AgentFolder
from tests.support.agent_process import Running

pytestmark = pytest.mark.daemon

LIFE_DAYS = 20
FETCHED_S = 16 * 86_400
"""After four fifths of the CA's life its successor is asked for."""
SPREAD_S = 120
"""A fleet's devices ask within one check interval, which is half of this."""
SUPPORT = Path(__file__).parents[2] / "support"
SERVER = f"""\
port = 0

[settings.roles]
ca_lifetime_days = {LIFE_DAYS}
ra_lifetime_days = {LIFE_DAYS}

[settings.challenge]
mode = "none"
"""
TRUSTPOINT = """\
[trustpoint.lab.renewal]
at_share = 0.9

[trustpoint.lab.rollover]
mode = "{mode}"
check_every_s = 60
"""


@dataclass
class Site:
    """A server and an agent, each in its folder, and the clock of both."""

    root: Path
    agent: AgentFolder = field(init=False)

    def __post_init__(self) -> None:
        """Lays the folders out; the clock is the real one."""
        (self.root / "agent").mkdir()
        self.agent = AgentFolder(self.root / "agent", environment=self.environment)
        self.set_clock(0)

    @property
    def environment(self) -> dict[str, str]:
        """What both programs need to know."""
        return {"CLOCK_OFFSET": str(self.root / "offset")}

    @property
    def state(self) -> Path:
        """Folder of the server."""
        return self.root / "ndes"

    def set_clock(self, seconds: float) -> None:
        """Sets the clock this much ahead of the real one; at once, as a file is replaced."""
        fresh = self.root / "offset.new"
        fresh.write_text(str(seconds))
        fresh.rename(self.root / "offset")

    def serving(self) -> Any:
        """The server as a process."""
        path = self.root / "ndes.toml"
        path.write_text(SERVER)
        words = ("--config", str(path), "--quiet")
        program = (str(SUPPORT / "shifted_ndes.py"),)
        return ndes_cli.serving(self.state, *words, program=program, **self.environment)

    def configure(self, ready: Mapping[str, Any], mode: str) -> None:
        """Writes the agent's configuration for a server that said this of itself."""
        self.agent.configure(
            ready["scep_url"],
            fingerprint=ready["ca_sha256"],
            challenge="",
            extra=TRUSTPOINT.format(mode=mode),
        )

    def run(self) -> Running:
        """The agent as a service."""
        return Running(self.agent, "run", program=(str(SUPPORT / "shifted_agent.py"),))

    def status(self) -> dict[str, Any]:
        """How the trustpoint stands, by the command line."""
        found: dict[str, Any] = self.agent.run("status", "--json").document()["trustpoints"][0]
        return found


def moved(site: Site, running: Running, seconds: float) -> None:
    """Moves the clock and has the agent look at it."""
    site.set_clock(seconds)
    running.process.send_signal(signal.SIGHUP)


def resting(site: Site) -> tuple[Running, dict[str, Any]]:
    """A running agent that knows its CA's successor; what the server says of that one."""
    rolled: dict[str, Any] = ndes_cli.read_json(
        ndes_cli.run("rollover", "--in", "19d", "--state", site.state, "--json")
    )
    running = site.run()
    running.wait_for("certificate.installed")
    moved(site, running, FETCHED_S + SPREAD_S)
    running.wait_for("rollover.resting")
    return running, rolled


def offset_of(moment: str) -> float:
    """How far ahead the clock is at that moment."""
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


@pytest.mark.covers("C-31")
@pytest.mark.parametrize("mode", ["auto", "ask"])
def test_a_device_follows_its_ca_without_the_server(tmp_path: Path, mode: str) -> None:
    """Asked for, agreed to, kept; the server is gone at the switch, and the device switches."""
    site = Site(tmp_path)
    with site.serving() as ready:
        site.configure(ready, mode)
        running, rolled = resting(site)
        if mode == "ask":
            assert site.status()["asked_sha256"] == rolled["sha256"]
            assert site.status()["shadow"] == "none"
            approved = site.agent.run("approve-fingerprint", "lab", rolled["sha256"])
            assert approved.status == ExitCode.OK, approved.err
        moved(site, running, FETCHED_S + 2 * SPREAD_S)
        running.wait_for("rollover.shadow-ready")
        kept = site.status()
        assert (kept["state"], kept["shadow"], kept["ca_basis"]) == ("ROLLOVER", "ready", "pin")
    begun = site.agent.certificate.read_bytes()
    moved(site, running, offset_of(kept["switch_at"]) + 2)
    running.wait_for("rollover.switched")
    running.wait_for("key.deleted")
    status = site.status()
    assert (status["state"], status["shadow"], status["ca_basis"]) == (
        "INSTALLED",
        "",
        "succession",
    )
    assert status["certificate_sha256"] == kept["shadow_sha256"]
    assert status["ca_sha256"] == rolled["sha256"]
    assert site.agent.certificate.read_bytes() != begun
    (authority,) = x509.load_pem_x509_certificates(
        (site.agent.certificate.parent / "ca.pem").read_bytes()
    )
    certificate = x509.load_pem_x509_certificate(site.agent.certificate.read_bytes())
    certificate.verify_directly_issued_by(authority)
    code, _, err = running.end(signal.SIGTERM)
    assert code == ExitCode.OK, err
    audit = site.agent.run("audit", "--json")
    assert audit.status == ExitCode.OK, audit.out


def test_a_next_ca_is_not_approved_by_the_pin(tmp_path: Path) -> None:
    """Where no agent runs the advice is to start it: the present CA still serves, and its pin."""
    site = Site(tmp_path)
    with site.serving() as ready:
        site.configure(ready, "ask")
        refused = site.agent.run("approve-fingerprint", "lab", ready["ca_sha256"])
        assert "or write the fingerprint into the configuration" in refused.err
        running, rolled = resting(site)
        assert running.end(signal.SIGTERM)[0] == ExitCode.OK
    refused = site.agent.run("approve-fingerprint", "lab", rolled["sha256"])
    assert refused.status == ExitCode.CONFIGURATION
    assert "start sceplab-agent run, then approve it again" in refused.err
