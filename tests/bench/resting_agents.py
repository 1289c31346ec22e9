"""A folder of an agent whose trustpoints all have a certificate and nothing to do for months."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from sceplab_agent.challenge import ChallengeSource
from sceplab_agent.core.commands import Record
from sceplab_agent.core.events import EnrollRequested
from sceplab_agent.core.states import State
from sceplab_agent.drivers.virtual import VirtualClock
from sceplab_agent.exchange import run_exchange
from sceplab_agent.executor import Surroundings
from sceplab_agent.install import FileInstaller
from sceplab_agent.journal import MemoryJournal
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.session import EnrollmentSession
from sceplab_hsm.secret import Secret
from tests.support.agent_cli import AgentFolder
from tests.support.pair import Pair
from tests.support.server import shared_keys
from tests.support.soft_stores import PASSPHRASE, soft_store

_SETTINGS = {"challenge": {"mode": "none"}, "transactions": {"known_key": "reissue"}}
_URL = "http://127.0.0.1:9/certsrv/mscep/mscep.dll"
"""Nobody listens there: a resting trustpoint asks nobody."""
_EVENT = "certificate.installed"


class Fleet:
    """Trustpoints that enroll with one server, one after the other, in memory."""

    def __init__(self) -> None:
        self._pair = Pair(
            settings=_SETTINGS,
            policy={"uses_challenge": False},
            clock=VirtualClock(datetime.now(UTC)),
        )

    def furnish(self, folder: Path, count: int) -> AgentFolder:
        """Writes configuration, key store and journal of an agent with this many trustpoints.

        All enroll with one key, to save the time of making a thousand. The journal gives each
        a key of its own name, as the agent does; at rest nobody looks for it.
        """
        folder.mkdir()
        agent = AgentFolder(folder)
        names = [f"device{number}" for number in range(count)]
        self._write_config(agent, names)
        soft_store(folder / "keys").close()
        state_dir = folder / "state"
        state_dir.mkdir(mode=0o700)
        journal = SqliteJournal.create_or_open(state_dir / FILE_NAME)
        for name in names:
            snapshot = self._enroll(name, FileInstaller(state_dir))
            active = {**snapshot["active"], "key_id": name, "is_key_ours": True}
            record = Record(event_id=_EVENT, details={}, snapshot={**snapshot, "active": active})
            journal.commit(name, self._pair.clock(), record)
        journal.close()
        return agent

    def _enroll(self, name: str, installer: FileInstaller) -> dict[str, Any]:
        pair = self._pair
        draw = random.Random(name)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.example.test")])
        config = pair.config()
        config = replace(
            config,
            name=name,
            subject=subject,
            dns_names=(f"{name}.example.test",),
            policy=replace(config.policy, name=name),
        )
        surroundings = Surroundings(
            store=shared_keys(),
            journal=MemoryJournal(),
            installer=installer,
            challenge=ChallengeSource(lambda: Secret("")),
            random_bytes=draw.randbytes,
            clock=pair.clock,
        )
        session = EnrollmentSession(
            config,
            surroundings,
            rng=draw,
            new_transaction_id=lambda: draw.randbytes(16).hex().upper(),
        )
        run_exchange(session.start(), pair.transport)
        run_exchange(session.process(EnrollRequested()), pair.transport)
        assert session.state is State.INSTALLED, session.machine.failure
        return session.machine.snapshot()

    def _write_config(self, agent: AgentFolder, names: list[str]) -> None:
        root = self._pair.server.hierarchy.root.certificate
        fingerprint = root.fingerprint(hashes.SHA256()).hex()
        lines = ['[agent]\nstate_dir = "state"\n']
        lines.append('[keystore]\nuri = "soft:keys"\nsecret = "file:passphrase"\n')
        for name in names:
            lines.append(
                f"[trustpoint.{name}]\n"
                f'url = "{_URL}"\n'
                f'fingerprint = "sha256:{fingerprint}"\n'
                f'subject = "CN={name}.example.test"\n'
                f'dns_names = ["{name}.example.test"]\n'
            )
        (agent.folder / "agent.toml").write_text("\n".join(lines), encoding="utf-8")
        passphrase = agent.folder / "passphrase"
        passphrase.write_text(PASSPHRASE + "\n", encoding="utf-8")
        passphrase.chmod(0o600)
