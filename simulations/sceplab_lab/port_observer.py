"""Turns what the agent reports of one trustpoint into the events a device console knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509

from sceplab_agent.core.commands import Notify
from sceplab_agent.core.states import State
from sceplab_agent.journal import Detail, JournalEntry
from sceplab_agent.observer import SilentObserver
from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_lab.port_views import Standing, standing_of

if TYPE_CHECKING:
    from sceplab_lab.port_trustpoint import PortTrustpoint

_PLAIN_KINDS = {
    "ca.refused": PortEventKind.CA_REFUSED,
    "enrollment.requested": PortEventKind.ENROLL_STARTED,
    "enrollment.request": PortEventKind.PKCSREQ_SENT,
    "enrollment.retransmission": PortEventKind.PKCSREQ_SENT,
    "enrollment.poll": PortEventKind.POLL_SENT,
    "enrollment.pending": PortEventKind.PENDING,
    "enrollment.rejected": PortEventKind.ENROLL_REJECTED,
    "enrollment.expired": PortEventKind.ENROLL_FAILED,
    "enrollment.cancelled": PortEventKind.ENROLL_CANCELLED,
    "renewal.due": PortEventKind.RENEW_STARTED,
}
_STATUS = {
    PortEventKind.PENDING: "pending",
    PortEventKind.CERT_ISSUED: "granted",
    PortEventKind.CERT_RENEWED: "granted",
    PortEventKind.ENROLL_REJECTED: "rejected",
    PortEventKind.ENROLL_FAILED: "failed",
    PortEventKind.RENEW_FAILED: "failed",
}


class PortObserver(SilentObserver):
    """Watches one trustpoint's session; called in the worker's thread.

    Args:
        trustpoint: whose notebook is kept.
        clock: now, aware UTC.
        show: takes how the trustpoint stands to the owner's thread.
        publish: takes the event there, behind what was shown before.
        moved: told of every change of state, in the worker's thread.
    """

    def __init__(
        self,
        trustpoint: PortTrustpoint,
        *,
        clock: Callable[[], datetime],
        show: Callable[[Standing], None],
        publish: Callable[[PortEvent], None],
        moved: Callable[[str, State, State], None],
    ) -> None:
        self._trustpoint = trustpoint
        self._clock = clock
        self._show = show
        self._publish = publish
        self._moved = moved

    def recorded(self, entry: JournalEntry) -> None:
        """See `Observer.recorded`."""
        kind = self._kind_of(entry.event_id, entry.details)
        if kind == PortEventKind.RENEW_STARTED:
            self._trustpoint.notebook.is_renewing = True
        elif kind == PortEventKind.ENROLL_STARTED:
            self._trustpoint.notebook.is_renewing = False
        if kind:
            self._send(kind, entry.details)
        else:
            self._show_standing()

    def noticed(self, trustpoint: str, notice: Notify) -> None:
        """See `Observer.noticed`."""
        if notice.event_id == "ca.unreachable":
            self._send(PortEventKind.CA_UNREACHABLE, notice.details)

    def state_changed(self, trustpoint: str, old: State, new: State) -> None:
        """See `Observer.state_changed`."""
        self._show_standing()
        if not self._trustpoint.lifetime.is_over:
            self._moved(trustpoint, old, new)

    def asked(self, trustpoint: str, certificate_der: bytes) -> None:
        """See `Observer.asked`."""
        self._send(PortEventKind.CA_CERT_RECEIVED, {}, certificate_der=certificate_der)

    def ca_received(self, trustpoint: str, certificates_der: tuple[bytes, ...]) -> None:
        """See `Observer.ca_received`."""
        self._trustpoint.notebook.received_ca_der = certificates_der

    def csr_signed(self, trustpoint: str, csr_der: bytes) -> None:
        """See `Observer.csr_signed`."""
        self._trustpoint.note_request(csr_der)

    def _kind_of(self, event_id: str, details: Mapping[str, Detail]) -> str:
        is_renewing = self._trustpoint.notebook.is_renewing
        match event_id:
            case "ca.pinned":
                by_pin = details.get("basis") == "pin"
                return PortEventKind.CA_PINNED_OK if by_pin else PortEventKind.CA_TRUSTED
            case "ca.distrusted":
                pin = self._trustpoint.settings.pin_hex
                return PortEventKind.CA_PIN_MISMATCH if pin else PortEventKind.CA_PIN_MISSING
            case "certificate.installed":
                return PortEventKind.CERT_RENEWED if is_renewing else PortEventKind.CERT_ISSUED
            case "enrollment.failed":
                return PortEventKind.RENEW_FAILED if is_renewing else PortEventKind.ENROLL_FAILED
            case "enrollment.retry" if is_renewing:
                return PortEventKind.RENEW_FAILED
            case _:
                return _PLAIN_KINDS.get(event_id, "")

    def _show_standing(self) -> None:
        self._show(standing_of(self._trustpoint))

    def _send(
        self, kind: str, details: Mapping[str, Detail], *, certificate_der: bytes | None = None
    ) -> None:
        notebook, machine = self._trustpoint.notebook, self._trustpoint.session.machine
        notebook.last_status = _STATUS.get(kind, notebook.last_status)
        failure = machine.failure
        fail_info = failure.fail_info if failure is not None else None
        if certificate_der is None:
            certificate_der = self._certificate_for(kind)
        self._show_standing()
        self._publish(
            PortEvent(
                kind=kind,
                trustpoint=self._trustpoint.settings.name,
                at=self._clock(),
                certificate_der=certificate_der,
                csr_der=notebook.csr_der if kind == PortEventKind.PKCSREQ_SENT else None,
                fail_info=None if fail_info is None else int(fail_info),
                reason=failure.reason if failure is not None else str(details.get("reason") or ""),
                details={name: str(value) for name, value in details.items() if value is not None},
            )
        )

    def _certificate_for(self, kind: str) -> bytes | None:
        machine = self._trustpoint.session.machine
        if kind in {PortEventKind.CERT_ISSUED, PortEventKind.CERT_RENEWED}:
            return machine.active.certificate_der if machine.active is not None else None
        if kind in {PortEventKind.CA_PINNED_OK, PortEventKind.CA_TRUSTED}:
            return machine.ca.anchor_der if machine.ca is not None else None
        if kind in {PortEventKind.CA_PIN_MISMATCH, PortEventKind.CA_PIN_MISSING}:
            return _ca_of(self._trustpoint.notebook.received_ca_der)
        return None


def _ca_of(certificates_der: tuple[bytes, ...]) -> bytes | None:
    """The certificate to show of a bundle that is not trusted: the first CA, else the first."""
    return next(
        (der for der in certificates_der if _is_ca(der)), next(iter(certificates_der), None)
    )


def _is_ca(certificate_der: bytes) -> bool:
    certificate = x509.load_der_x509_certificate(certificate_der)
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False
