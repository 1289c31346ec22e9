"""What the enrollment engine reports, as lines over the prompt and as log lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography import x509

from sceplab_devices.api import PortEvent, PortEventKind

if TYPE_CHECKING:
    from sceplab_devices.profiles.cisco_asa.firewall import Firewall


def report(firewall: Firewall, event: PortEvent) -> None:
    """Shows and logs an event."""
    reporter = _REPORTERS.get(event.kind)
    if reporter:
        reporter(firewall, event)


def _trusted(firewall: Firewall, _event: PortEvent) -> None:
    firewall.note_change()


def _tell(firewall: Firewall, event: PortEvent, key: str, *, is_over: bool = True) -> None:
    firewall.tell(event.trustpoint, firewall.profile.text(f"enroll.{key}"))
    if is_over:
        firewall.enrolling.pop(event.trustpoint, None)


def _pending(firewall: Firewall, event: PortEvent) -> None:
    if not firewall.view(event.trustpoint).polls_sent:  # said once
        _tell(firewall, event, "pending", is_over=False)


def _issued(firewall: Firewall, event: PortEvent) -> None:
    firewall.note_change()
    trustpoint = firewall.config.trustpoints.get(event.trustpoint)
    if trustpoint is not None and trustpoint.url:  # else an operator brought it
        _tell(firewall, event, "granted")
        firewall.syslog("received", name=event.trustpoint)


def _renewed(firewall: Firewall, event: PortEvent) -> None:
    firewall.note_change()
    firewall.syslog("received", name=event.trustpoint)


def _rejected(firewall: Firewall, event: PortEvent) -> None:
    _tell(firewall, event, "rejected")
    _failed_log(firewall, event)


def _failed(firewall: Firewall, event: PortEvent) -> None:
    _tell(firewall, event, "failed")
    _failed_log(firewall, event)


def _failed_log(firewall: Firewall, event: PortEvent) -> None:
    reasons = firewall.profile.data["failure_reasons"]
    if event.fail_info is not None:
        reason = reasons["rejected"].format(fail_info=event.fail_info)
    else:
        reason = event.reason or reasons["other"]
    firewall.syslog("failed", name=event.trustpoint, reason=reason)


def _renew_failed(firewall: Firewall, event: PortEvent) -> None:
    _failed_log(firewall, event)
    certificate_der = firewall.view(event.trustpoint).certificate_der
    if certificate_der is None:
        return
    certificate = x509.load_der_x509_certificate(certificate_der)
    if certificate.not_valid_after_utc <= event.at:
        firewall.syslog("expired", name=event.trustpoint)


_REPORTERS: dict[str, Callable[[Firewall, PortEvent], None]] = {
    PortEventKind.CA_PINNED_OK: _trusted,
    PortEventKind.CA_TRUSTED: _trusted,
    PortEventKind.PENDING: _pending,
    PortEventKind.CERT_ISSUED: _issued,
    PortEventKind.CERT_RENEWED: _renewed,
    PortEventKind.ENROLL_REJECTED: _rejected,
    PortEventKind.ENROLL_FAILED: _failed,
    PortEventKind.RENEW_FAILED: _renew_failed,
}
