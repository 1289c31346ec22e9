"""How the trustpoints of an entered service stand: of open sessions live, of others by journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sceplab_agent.core.events import FailureCause
from sceplab_agent.service import AgentService
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.status import TrustpointStatus, describe_machine, read_status
from sceplab_agent.trustpoint import TrustpointConfig


def service_statuses(
    service: AgentService,
    configs: Sequence[TrustpointConfig],
    sessions: Mapping[str, EnrollmentSession],
    now: datetime,
) -> list[TrustpointStatus]:
    """Statuses in the order of ``configs``.

    Args:
        service: whose journal and closed key stores count.
        configs: which.
        sessions: by name.
        now: current time, UTC.

    Raises:
        JournalError: a snapshot cannot be read.
    """
    state_dir = service.config.state_dir
    statuses = []
    for config in configs:
        session = sessions.get(config.name)
        if session is not None:
            with session.lock:
                status = describe_machine(
                    session.config, session.machine, state_dir=state_dir, at=now
                )
            is_fallback = session.config.store_uri != config.store_uri and bool(status.key_store)
            statuses.append(replace(status, is_fallback=is_fallback))
            continue
        (status,) = read_status([config], service.journal, state_dir=state_dir)
        closed = str(service.unopened.get(config.name, ""))
        cause = FailureCause.KEY_STORE if closed else None
        statuses.append(replace(status, failure=closed, failure_cause=cause))
    return statuses
