"""What the enrollment engine reports, as lines of ``/var/log/pkid``. Needs no open session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography import x509

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.candidate.tree import value
from sceplab_devices.profiles.juniper_junos.certificate_text import serial_text
from sceplab_devices.profiles.juniper_junos.dates import system_text

if TYPE_CHECKING:
    from sceplab_devices.profiles.juniper_junos.device import LocalCertificate, SrxDevice


def report(box: SrxDevice, event: PortEvent) -> None:
    """Logs an event, and lets an enrollment go on that waited for it."""
    certificate = box.certificate_of(event)
    if certificate is not None:
        reporter = _OF_CERTIFICATES.get(event.kind)
        if reporter:
            reporter(box, certificate, event)
    elif event.trustpoint and box.profile_settings(event.trustpoint) is not None:
        _report_profile(box, event)


def _report_profile(box: SrxDevice, event: PortEvent) -> None:
    name = event.trustpoint
    if event.kind == PortEventKind.CA_CERT_RECEIVED:
        box.log_text("pkid", "pkid.ca_received", profile=name)
    elif event.kind == PortEventKind.CA_TRUSTED:
        box.log_text("pkid", "pkid.ca_loaded", profile=name)
    elif event.kind == PortEventKind.CA_UNREACHABLE:
        _ca_unreachable(box, name, event)


def _url(box: SrxDevice, profile: str) -> str:
    return value(box.profile_settings(profile) or {}, "enrollment", "url")


def _ca_unreachable(box: SrxDevice, profile: str, event: PortEvent) -> None:
    url = _url(box, profile)
    box.log_text("pkid", "pkid.ca_unreachable", profile=profile, url=url, reason=event.reason)


def _trusted(box: SrxDevice, certificate: LocalCertificate, _event: PortEvent) -> None:
    """The CA is the one whose certificate is loaded: the request may go out."""
    challenge = box.challenges.pop(certificate.id, None)
    if challenge is None:
        return
    try:
        box.port.enroll(certificate.port_name, challenge=challenge)
    except DeviceError as error:
        box.log_text("pkid", "pkid.failed", id=certificate.id, reason=error)


def _unreachable(box: SrxDevice, certificate: LocalCertificate, event: PortEvent) -> None:
    box.challenges.pop(certificate.id, None)
    _ca_unreachable(box, certificate.profile, event)


def _changed(box: SrxDevice, certificate: LocalCertificate, _event: PortEvent) -> None:
    box.challenges.pop(certificate.id, None)
    box.log_text("pkid", "pkid.ca_changed", profile=certificate.profile)


def _sent(box: SrxDevice, certificate: LocalCertificate, _event: PortEvent) -> None:
    url = _url(box, certificate.profile)
    box.log_text("pkid", "pkid.sent", id=certificate.id, url=url)


def _pending(box: SrxDevice, certificate: LocalCertificate, _event: PortEvent) -> None:
    at = box.view(certificate.port_name).next_poll_at
    shown = system_text(at) if at else "never"
    box.log_text("pkid", "pkid.pending", id=certificate.id, next=shown)


def _poll(box: SrxDevice, certificate: LocalCertificate, _event: PortEvent) -> None:
    box.log_text("pkid", "pkid.poll", id=certificate.id)


def _issued(box: SrxDevice, certificate: LocalCertificate, event: PortEvent) -> None:
    box.log_text("pkid", "pkid.issued", id=certificate.id, serial=_serial(event))


def _renewed(box: SrxDevice, certificate: LocalCertificate, event: PortEvent) -> None:
    box.log_text("pkid", "pkid.renewed", id=certificate.id, serial=_serial(event))
    box.configure_certificate(certificate)  # a key pair for this renewal alone is no setting


def _serial(event: PortEvent) -> str:
    if event.certificate_der is None:
        return "unknown"
    return serial_text(x509.load_der_x509_certificate(event.certificate_der))


def _rejected(box: SrxDevice, certificate: LocalCertificate, event: PortEvent) -> None:
    shown = "none" if event.fail_info is None else event.fail_info
    box.log_text("pkid", "pkid.rejected", id=certificate.id, fail_info=shown)


def _failed(box: SrxDevice, certificate: LocalCertificate, event: PortEvent) -> None:
    reason = event.reason or _fail_info(event)
    key = "renewal_failed" if event.kind == PortEventKind.RENEW_FAILED else "failed"
    box.log_text("pkid", f"pkid.{key}", id=certificate.id, reason=reason)
    if event.kind == PortEventKind.RENEW_FAILED:
        box.configure_certificate(certificate)


def _fail_info(event: PortEvent) -> str:
    return "no answer" if event.fail_info is None else f"failInfo {event.fail_info}"


def _scheduled(box: SrxDevice, certificate: LocalCertificate, _event: PortEvent) -> None:
    at = box.view(certificate.port_name).renew_at
    if at is not None:
        shown = system_text(at)
        box.log_text("pkid", "pkid.renewal_scheduled", id=certificate.id, at=shown)


def _renewing(box: SrxDevice, certificate: LocalCertificate, _event: PortEvent) -> None:
    box.log_text("pkid", "pkid.renewal_started", id=certificate.id)


_OF_CERTIFICATES: dict[str, Callable[[SrxDevice, LocalCertificate, PortEvent], None]] = {
    PortEventKind.CA_PINNED_OK: _trusted,
    PortEventKind.CA_UNREACHABLE: _unreachable,
    PortEventKind.CA_PIN_MISMATCH: _changed,
    PortEventKind.PKCSREQ_SENT: _sent,
    PortEventKind.PENDING: _pending,
    PortEventKind.POLL_SENT: _poll,
    PortEventKind.CERT_ISSUED: _issued,
    PortEventKind.CERT_RENEWED: _renewed,
    PortEventKind.ENROLL_REJECTED: _rejected,
    PortEventKind.ENROLL_FAILED: _failed,
    PortEventKind.RENEW_FAILED: _failed,
    PortEventKind.RENEW_SCHEDULED: _scheduled,
    PortEventKind.RENEW_STARTED: _renewing,
}
