"""One start of the agent on a site: the command line's work, with the site's clock."""

from __future__ import annotations

import os
import random
import secrets
from pathlib import Path

from sceplab_agent.config import load_config
from sceplab_agent.http_transport import StdlibTransport
from sceplab_agent.observer import SilentObserver
from sceplab_agent.service import AgentService, Outside
from tests.support.power.shared_clock import SharedClock


def run_agent(folder: Path, command: str, clock: SharedClock) -> str:
    """Does what ``sceplab-agent COMMAND -c agent.toml`` does; no time passes but the clock's.

    Args:
        folder: of the agent.
        command: ``enroll`` or ``renew``. ``enroll`` also goes on with whatever was cut off.
        clock: of the site; the agent's pauses move it.

    Returns:
        State of the trustpoint when nothing was left to be done.

    Raises:
        KeyStoreError: the key store did not open.
        AgentError: as the command line reports it.
    """
    config = load_config(folder / "agent.toml")
    outside = Outside(
        transport=StdlibTransport(config.http.limits),
        clock=clock,
        sleep=clock.sleep,
        random_bytes=os.urandom,
        rng=random.Random(1),
        new_transaction_id=lambda: secrets.token_hex(16).upper(),
        observer=SilentObserver(),
    )
    with AgentService(config, outside) as service:
        if command == "renew":
            sessions = service.renew(config.trustpoints, wait=True)
        else:
            sessions = service.enroll(config.trustpoints, wait=True, again=False)
        for error in service.unopened.values():
            raise error
        return sessions[0].state.value
