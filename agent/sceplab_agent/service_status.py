"""How the trustpoints of an entered service stand: of open sessions live, of others by journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sceplab_agent.core.events import FailureCause
from sceplab_agent.core.next_steps import KEY_LOST, next_step_for
from sceplab_agent.errors import SnapshotDamagedError
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.service import AgentService
from sceplab_agent.session import EnrollmentSession
from sceplab_agent.status import TrustpointStatus, describe_machine, read_status
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.errors import KeyStoreError


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
        JournalError: the journal cannot be read.
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
            status = replace(status, is_fallback=is_fallback)
            fault = session.find_key_fault() if not status.failure else ""
            if fault:
                status = replace(
                    status,
                    failure=fault,
                    failure_cause=FailureCause.KEY_STORE,
                    next_step=KEY_LOST,
                )
            statuses.append(status)
            continue
        (status,) = read_status([config], service.journal, state_dir=state_dir)
        closed = service.unopened.get(config.name)
        cause = FailureCause.KEY_STORE if isinstance(closed, KeyStoreError) else None
        text = str(closed or status.failure) if closed or status.is_unreadable else ""
        if cause is not None:
            is_renewal = status.not_after is not None and now < status.not_after
            status = replace(status, next_step=next_step_for(cause, is_renewal=is_renewal))
        statuses.append(replace(status, failure=text, failure_cause=cause))
    return statuses


def status_code(statuses: Sequence[TrustpointStatus]) -> ExitCode:
    """What ``status`` ends with: how trustpoints stand is no failure, not to know it is one."""
    return ExitCode.FAILED if any(one.is_unreadable for one in statuses) else ExitCode.OK


def unopened_code(error: KeyStoreError | SnapshotDamagedError) -> ExitCode:
    """The exit code of a trustpoint that has no session."""
    return error.exit_code if isinstance(error, SnapshotDamagedError) else ExitCode.KEY_STORE
