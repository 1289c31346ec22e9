"""A place where an agent lives and is killed: its folder, its consumers, its server, its clock.

::

    ROOT/clock              the clock of all
    ROOT/server/            the server's depot
    ROOT/agent/             what is saved and put back
      agent.toml, passphrase, challenge
      state/                journal and certificates
      keys/ or hsm/         key store
      files/                hand-off ``files``
      service/              hand-off ``hook``; in-use.pem is what that consumer works with
"""

from __future__ import annotations

import enum
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import hashes

from sceplab_agent.core.rollover import FETCH_SHARE
from sceplab_hsm.pkcs11.softhsm import init_softhsm
from tests.support.agent_cli import AgentFolder
from tests.support.power.power_server import CA_LIFE, PowerServer
from tests.support.power.shared_clock import SharedClock
from tests.support.programs import require_program

_HOOK = """\
#!/bin/sh
# A consumer: it works with in-use.pem, and what it says of it is in the file verdict.
set -e
cd '{folder}'
case "$SCEPLAB_STEP" in
install)
    cp "$SCEPLAB_CERTIFICATE" in-use.new
    mv in-use.new in-use.pem
    ;;
verify)
    read -r verdict <verdict
    test "$verdict" = good || echo "no tunnel comes up"
    test "$verdict" = good
    ;;
rollback)
    if test -n "${{SCEPLAB_PREVIOUS_CERTIFICATE-}}"; then
        cp "$SCEPLAB_PREVIOUS_CERTIFICATE" in-use.new
        mv in-use.new in-use.pem
    else
        rm -f in-use.pem
    fi
    ;;
esac
"""
_TRUSTPOINT = """\
poll = {{ first_s = 60, ceiling_s = 60, max_polls = 20 }}
retry = {{ first_s = 10, ceiling_s = 1_500_000, max_attempts = 8, jitter_share = 0 }}
renewal = {{ new_key = {new_key}, at_share = 0.9, jitter_share = 0 }}
rollover = {{ check_every_s = {check_every_s} }}
key = {{ exportable = {exportable} }}

[[trustpoint.lab.handoff]]
kind = "files"
directory = "files"

[[trustpoint.lab.handoff]]
kind = "hook"
name = "service"
directory = "service"
command = ["/bin/sh", "{hook}"]
steps = ["install", "verify", "rollback"]
"""

ASKED_AT = FETCH_SHARE * CA_LIFE
"""From the site's begin on: when the agent asks for the next CA."""
SWITCHED_AT = ASKED_AT + timedelta(days=15)
"""When the server's next CA becomes the current one."""
_LEAD = timedelta(hours=1)


class Keys(enum.Enum):
    """Where the agent's keys are."""

    SOFT = "soft"
    SOFTHSM = "softhsm"


@dataclass(frozen=True, slots=True)
class Saved:
    """A site as it was at one moment."""

    folder: Path
    seconds: float
    """What the clock showed."""


class PowerSite:
    """See the module. Made by `power_site`.

    Args:
        root: of this site alone.
        keys: where the agent keeps its keys.
        clock: of agent and server.
        server: runs already.
        url: of the server.
    """

    def __init__(
        self, root: Path, keys: Keys, clock: SharedClock, server: PowerServer, url: str
    ) -> None:
        self.root, self.keys, self.clock, self.server = root, keys, clock, server
        self.folder = root / "agent"
        self._url = url
        self._challenge = ""
        (self.folder / "service").mkdir(parents=True)
        self._store: dict[str, str] = {}
        if keys is Keys.SOFTHSM:
            require_program("softhsm2-util", package="softhsm2")
            token = init_softhsm(self.folder / "hsm", label="power")
            self._store = {"store": token.uri, "secret": token.secret_reference}
        self.set_verdict(is_good=True)
        hook = self.folder / "service" / "hook.sh"
        hook.write_text(_HOOK.format(folder=hook.parent))
        self.configure(new_key=True)

    def configure(self, *, new_key: bool) -> None:
        """Writes the configuration.

        Args:
            new_key: whether renewals make a new key.
        """
        if not self._challenge:
            password = self.server.state.challenge.issue("admin", self.clock())
            assert password is not None
            self._challenge = password.reveal()
        root = self.server.state.hierarchy.root.certificate
        AgentFolder(self.folder).configure(
            self._url,
            fingerprint=root.fingerprint(hashes.SHA256()).hex(),
            challenge=self._challenge,
            extra=_TRUSTPOINT.format(
                new_key=str(new_key).lower(),
                check_every_s=CA_LIFE.total_seconds() / 4,
                exportable=str(self.keys is Keys.SOFT).lower(),
                hook=self.folder / "service" / "hook.sh",
            ),
            **self._store,
        )

    def set_verdict(self, *, is_good: bool) -> None:
        """Whether the consumer will work with what it is given next."""
        (self.folder / "service" / "verdict").write_text("good\n" if is_good else "bad\n")

    def prepare_rollover(self, *, issues_early: bool) -> None:
        """Some time later: the server has a next CA, and the agent is about to ask for it.

        Args:
            issues_early: whether the next CA issues before it is the current one.
        """
        begin = self.clock()
        self.clock.sleep((ASKED_AT - _LEAD).total_seconds())
        self.server.roll_over(begin + SWITCHED_AT, issues_early=issues_early)

    def save(self, name: str) -> Saved:
        """Keeps everything as it is now; no agent runs."""
        to = self.root / "saved" / name
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.folder, to / "agent", symlinks=True)
        self.server.save(to / "depot.sqlite3")
        return Saved(to, self.clock.seconds)

    def put_back(self, saved: Saved) -> None:
        """Makes everything as it was then; no agent runs."""
        shutil.rmtree(self.folder)
        shutil.copytree(saved.folder / "agent", self.folder, symlinks=True)
        self.server.put_back(saved.folder / "depot.sqlite3")
        self.clock.seconds = saved.seconds


@contextmanager
def power_site(root: Path, keys: Keys = Keys.SOFT) -> Iterator[PowerSite]:
    """A site with nothing enrolled yet; its server runs.

    Args:
        root: made; of this site alone.
        keys: where the agent keeps its keys. The test is skipped where SoftHSM is not installed.
    """
    (root / "server").mkdir(parents=True)
    clock = SharedClock(root / "clock", datetime.now(UTC).replace(microsecond=0))
    try:
        server = PowerServer(root / "server", clock)
        with server.running() as running:
            yield PowerSite(root, keys, clock, server, running.scep_url)
    finally:
        clock.close()
