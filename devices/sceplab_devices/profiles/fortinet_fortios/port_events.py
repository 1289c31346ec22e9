"""What the enrollment engine reports: debug lines, event log, and what follows by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from cryptography import x509

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.profiles.fortinet_fortios.authorities import (
    drop_import,
    finish_import,
    is_import,
)
from sceplab_devices.profiles.fortinet_fortios.box import FortiGate
from sceplab_devices.profiles.fortinet_fortios.local_certificates import LOCAL, configure

_SCEP = "scep"
_FAIL_INFO = ("badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId")


def report(device: FortiGate, event: PortEvent) -> None:
    """Shows, logs and follows up an event."""
    reporter = _REPORTERS.get(event.kind)
    if reporter:
        reporter(device, event)


def warn_of_ends(device: FortiGate) -> None:
    """Logs certificates whose end is nearer than ``auto-regenerate-days-warning``, each once."""
    for name, due, end in tuple(_warnings(device)):
        if due <= device.box_time():
            device.warned.add((name, end))
            device.log_event("expires", at=due, name=name, end=f"{end:%Y-%m-%d %H:%M:%S}")


def next_warning(device: FortiGate) -> datetime | None:
    """When the next one is due by the box's clock; ``None``: none is."""
    return min((due for _, due, _ in _warnings(device)), default=None)


def _warnings(device: FortiGate) -> Iterator[tuple[str, datetime, datetime]]:
    """Certificates that were not warned of yet: name, when that is due, their end."""
    for name, entry in device.config.rows(LOCAL).items():
        days = int(entry.text("auto-regenerate-days-warning") or "0")
        der = device.port.view(name).certificate_der if days else None
        if der is None:
            continue
        end = x509.load_der_x509_certificate(der).not_valid_after_utc
        if (name, end) not in device.warned:
            yield name, end - timedelta(days=days), end


def renew_due(device: FortiGate) -> None:
    """Renews what is due by the box's clock, which the engine's does not follow when it is set."""
    now = device.box_time()
    for name, entry in device.config.rows(LOCAL).items():
        days = int(entry.text("auto-regenerate-days") or "0")
        der = device.port.view(name).certificate_der
        if not days or der is None or not entry.text("scep-url"):
            continue
        end = x509.load_der_x509_certificate(der).not_valid_after_utc
        if end - timedelta(days=days) <= now < end:
            device.port.renew(name)


def _ca_received(device: FortiGate, event: PortEvent) -> None:
    """Nobody is asked: the first CA certificate is trusted."""
    device.port.answer_ca(event.trustpoint, accept=True)


def _ca_trusted(device: FortiGate, event: PortEvent) -> None:
    name = event.trustpoint
    received = len(device.port.view(name).ca_certificates_der)
    if not received:
        return  # it is still being taken in
    device.debug(_SCEP, "ca_reply" if received == 1 else "ca_ra_reply")
    if is_import(name):
        finish_import(device, name)
    elif name in device.waits_for_ca:
        device.waits_for_ca.discard(name)
        device.port.enroll(name, challenge="")


def _ca_refused(device: FortiGate, event: PortEvent) -> None:
    device.debug(_SCEP, "ca_refused")
    _give_up(device, event, "ca_refused")


def _ca_unreachable(device: FortiGate, event: PortEvent) -> None:
    device.debug(_SCEP, "unreachable")
    _give_up(device, event, "unreachable")


def _give_up(device: FortiGate, event: PortEvent, reason: str) -> None:
    name = event.trustpoint
    if is_import(name):
        drop_import(device, name)
    elif name in device.waits_for_ca:
        device.waits_for_ca.discard(name)
        device.failed_requests.add(name)
        device.log_event(f"failed_{reason}", name=name)


def _request_sent(device: FortiGate, event: PortEvent) -> None:
    if event.csr_der is not None:
        device.requests[event.trustpoint] = event.csr_der
    transaction = event.details.get("transaction_id", "")
    if transaction:
        device.debug(_SCEP, "transaction", id=transaction)
    device.debug(_SCEP, "wrapping")
    if event.csr_der is not None:
        device.debug(_SCEP, "payload", size=len(event.csr_der))
    device.debug(_SCEP, "wrapped")


def _poll_sent(device: FortiGate, _event: PortEvent) -> None:
    device.debug(_SCEP, "poll")


def _pending(device: FortiGate, event: PortEvent) -> None:
    device.debug(_SCEP, "pending")
    if not device.port.view(event.trustpoint).polls_sent:  # logged once
        device.log_event("pending", name=event.trustpoint)


def _request_created(device: FortiGate, event: PortEvent) -> None:
    if event.csr_der is not None:
        device.requests[event.trustpoint] = event.csr_der
        device.changed()  # whoever asked for it may be gone


def _issued(device: FortiGate, event: PortEvent) -> None:
    name = event.trustpoint
    device.requests.pop(name, None)
    device.debug(_SCEP, "issued")
    device.log_event("loaded", name=name)
    configure(device, name)  # the moment of its renewal depends on its lifetime
    device.changed()


def _renewed(device: FortiGate, event: PortEvent) -> None:
    device.requests.pop(event.trustpoint, None)
    device.debug(_SCEP, "issued")
    device.log_event("renewed", name=event.trustpoint)
    configure(device, event.trustpoint)
    device.changed()


def _renew_started(device: FortiGate, event: PortEvent) -> None:
    device.log_event("renewing", name=event.trustpoint)


def _refused(device: FortiGate, event: PortEvent) -> None:
    name = event.trustpoint
    number = event.fail_info
    if number is not None:
        word = _FAIL_INFO[number] if 0 <= number < len(_FAIL_INFO) else ""
        device.debug(_SCEP, "rejected", number=number, word=word)
        device.log_event("rejected", name=name, number=number, word=word)
    else:
        device.debug(_SCEP, "failed")
        device.log_event("failed", name=name)
    device.failed_requests.add(name)


_REPORTERS: dict[str, Callable[[FortiGate, PortEvent], None]] = {
    PortEventKind.CA_CERT_RECEIVED: _ca_received,
    PortEventKind.CA_PINNED_OK: _ca_trusted,
    PortEventKind.CA_TRUSTED: _ca_trusted,
    PortEventKind.CA_PIN_MISMATCH: _ca_refused,
    PortEventKind.CA_PIN_MISSING: _ca_refused,
    PortEventKind.CA_REFUSED: _ca_refused,
    PortEventKind.CA_UNREACHABLE: _ca_unreachable,
    PortEventKind.PKCSREQ_SENT: _request_sent,
    PortEventKind.POLL_SENT: _poll_sent,
    PortEventKind.PENDING: _pending,
    PortEventKind.REQUEST_CREATED: _request_created,
    PortEventKind.CERT_ISSUED: _issued,
    PortEventKind.CERT_RENEWED: _renewed,
    PortEventKind.RENEW_STARTED: _renew_started,
    PortEventKind.ENROLL_REJECTED: _refused,
    PortEventKind.ENROLL_FAILED: _refused,
    PortEventKind.RENEW_FAILED: _refused,
}
