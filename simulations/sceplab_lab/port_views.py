"""How a trustpoint stands, read off its machine."""

from __future__ import annotations

from sceplab_agent.core.model import Transaction
from sceplab_agent.core.states import State
from sceplab_devices.api import TrustpointView
from sceplab_lab.port_trustpoint import PortTrustpoint


def view_of(trustpoint: PortTrustpoint) -> TrustpointView:
    """The trustpoint as its device's console shows it."""
    machine = trustpoint.session.machine
    ca, active, transaction = machine.ca, machine.active, machine.transaction
    failure = machine.failure
    is_pending = _is_pending(machine.state, transaction)
    return TrustpointView(
        state=machine.state.value,
        ca_certificates_der=() if ca is None else tuple(reversed(ca.chain_der)),
        certificate_der=None if active is None else active.certificate_der,
        key_label=trustpoint.settings.key_label,
        pending_csr_der=trustpoint.notebook.csr_der if is_pending else None,
        last_status=trustpoint.notebook.last_status,
        next_poll_at=trustpoint.session.next_deadline() if machine.state is State.PENDING else None,
        polls_sent=0 if transaction is None else transaction.polls,
        renew_at=machine.renewal_at if machine.policy.renewal.enabled else None,
        installed_at=None if active is None else active.installed_at,
        failure="" if failure is None else failure.reason,
    )


def _is_pending(state: State, transaction: Transaction | None) -> bool:
    """Whether the CA is known to hold a request of ours, polled for or waiting for a retry."""
    return state is State.PENDING or (
        transaction is not None and transaction.deadline_at is not None
    )
