"""How a trustpoint stands, read off its machine by whoever may touch the machine at that moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sceplab_agent.core.model import Transaction
from sceplab_agent.core.states import State
from sceplab_devices.api import TrustpointView

if TYPE_CHECKING:
    from sceplab_lab.port_trustpoint import PortTrustpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A trustpoint at one moment. Never changes, so any thread may read it."""

    view: TrustpointView
    base_key: str
    """How the names of keys begin that renewals make."""
    active_key: str | None
    """Name of the key of the active certificate."""
    new_key: str | None
    """Name of the key of the certificate that is being enrolled for."""


def standing_of(trustpoint: PortTrustpoint) -> Standing:
    """The trustpoint as it stands.

    To be called in the worker's thread while an exchange is under way, else in the owner's.
    """
    machine = trustpoint.session.machine
    active, new_key = machine.active, machine.new_key
    return Standing(
        view=_view_of(trustpoint),
        base_key=machine.policy.key_id,
        active_key=None if active is None else active.key_id,
        new_key=None if new_key is None else new_key.key_id,
    )


def _view_of(trustpoint: PortTrustpoint) -> TrustpointView:
    machine = trustpoint.session.machine
    ca, active, transaction = machine.ca, machine.active, machine.transaction
    failure = trustpoint.breakdown or (machine.failure.reason if machine.failure else "")
    pending = trustpoint.notebook.pending if is_pending(machine.state, transaction) else None
    return TrustpointView(
        state=machine.state.value,
        url=trustpoint.settings.url,
        ca_certificates_der=() if ca is None else tuple(reversed(ca.chain_der)),
        certificate_der=None if active is None else active.certificate_der,
        key_label=trustpoint.settings.key_label,
        pending_csr_der=None if pending is None else pending.der,
        pending_digests={} if pending is None else pending.digests,
        last_status=trustpoint.notebook.last_status,
        next_poll_at=machine.next_deadline() if machine.state is State.PENDING else None,
        polls_sent=0 if transaction is None else transaction.polls,
        renew_at=machine.renewal_at if machine.policy.renewal.enabled else None,
        installed_at=None if active is None else active.installed_at,
        failure=failure,
    )


def is_pending(state: State, transaction: Transaction | None) -> bool:
    """Whether the CA is known to hold a request of ours, polled for or waiting for a retry."""
    return state is State.PENDING or (
        transaction is not None and transaction.deadline_at is not None
    )
