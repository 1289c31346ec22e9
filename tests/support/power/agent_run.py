"""One start of the agent on a site: the command line's work, with the site's clock."""

from __future__ import annotations

import os
import random
import secrets
from datetime import timedelta
from pathlib import Path

from sceplab_agent.config import load_config
from sceplab_agent.core.rollover import belongs_to
from sceplab_agent.core.values import TrustBasis
from sceplab_agent.drivers.blocking import BlockingDriver
from sceplab_agent.http_transport import StdlibTransport
from sceplab_agent.observer import SilentObserver
from sceplab_agent.outcome import is_settled
from sceplab_agent.service import AgentService, Outside
from sceplab_agent.session import EnrollmentSession
from tests.support.power.shared_clock import SharedClock

_LONGEST_SLEEP_S = 1e6
_PATIENCE = timedelta(days=100)


def run_agent(folder: Path, command: str, clock: SharedClock) -> str:
    """Does what ``sceplab-agent COMMAND -c agent.toml`` does; no time passes but the clock's.

    Args:
        folder: of the agent.
        command: ``enroll`` or ``renew``; ``enroll`` also goes on with whatever was cut off.
            ``follow`` lives on, as ``run`` does, until the CA has changed and the certificate
            with it.
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
        if command == "follow":
            sessions = [_follow(service)]
        elif command == "renew":
            sessions = service.renew(config.trustpoints, wait=True)
        else:
            sessions = service.enroll(config.trustpoints, wait=True, again=False)
        for error in service.unopened.values():
            raise error
        return sessions[0].state.value


def _follow(service: AgentService) -> EnrollmentSession:
    (trustpoint,) = service.config.trustpoints
    session = service.session(trustpoint)
    outside = service.outside
    driver = BlockingDriver(
        session,
        outside.transport,
        clock=outside.clock,
        sleep=outside.sleep,
        longest_sleep_s=_LONGEST_SLEEP_S,
    )
    driver.start()
    driver.run_until(_has_followed, until=outside.clock() + _PATIENCE)
    return session


def _has_followed(session: EnrollmentSession) -> bool:
    machine = session.machine
    return (
        is_settled(session)
        and machine.ca is not None
        and machine.ca.basis is TrustBasis.SUCCESSION
        and machine.active is not None
        and belongs_to(machine.active.certificate_der, machine.ca, machine.policy)
    )
