"""What the enrollment engine reports, as log lines and counters. Needs no open session."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography import x509

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.profiles.cisco.dates import date_text, iso_text
from sceplab_devices.profiles.cisco.hexdump import serial_hex
from sceplab_devices.profiles.cisco.names import shown_on_one_line
from sceplab_devices.profiles.cisco.x509_text import fingerprint_text
from sceplab_devices.profiles.cisco_ios.automatic import enroll_automatically

if TYPE_CHECKING:
    from sceplab_devices.profiles.cisco_ios.router import Router

TRANSACTIONS = "Trans"
MESSAGES = "Msg"

_ENDS_SESSION = frozenset(
    {
        PortEventKind.CA_CERT_RECEIVED,
        PortEventKind.CA_PINNED_OK,
        PortEventKind.CA_PIN_MISMATCH,
        PortEventKind.CA_PIN_MISSING,
        PortEventKind.CA_UNREACHABLE,
        PortEventKind.PENDING,
        PortEventKind.CERT_ISSUED,
        PortEventKind.CERT_RENEWED,
        PortEventKind.ENROLL_REJECTED,
        PortEventKind.ENROLL_FAILED,
        PortEventKind.RENEW_FAILED,
    }
)


def report(router: Router, event: PortEvent) -> None:
    """Logs and counts an event."""
    counters = router.counters
    if event.kind in _ENDS_SESSION and counters.sessions_ended < counters.sessions_started:
        counters.sessions_ended += 1
    reporter = _REPORTERS.get(event.kind)
    if reporter:
        reporter(router, event)


def _key_generated(router: Router, event: PortEvent) -> None:
    label = event.details["label"]
    order = router.key_orders.pop(label, None)
    router.syslog("key_added", label=label)
    if order is not None and order.is_first:
        router.syslog("ssh_enabled", version=router.train.ssh)
    key = router.find_key(label)
    if order is not None and order.is_automatic and key is not None:
        router.syslog("key_automatic", bits=key.algorithm.partition(":")[2])
    trustpoint = router.config.trustpoints.get(order.resumes) if order else None
    if trustpoint is not None:
        enroll_automatically(router, trustpoint)


def _key_refused(router: Router, event: PortEvent) -> None:
    order = router.key_orders.pop(event.details["label"], None)
    if order is not None and order.resumes:
        router.syslog("unusable", name=order.resumes, reason=event.reason)


def _ca_unreachable(router: Router, _event: PortEvent) -> None:
    router.syslog("ca_unreachable")


def _ca_trusted(router: Router, event: PortEvent) -> None:
    trustpoint = router.config.trustpoints.get(event.trustpoint)
    if trustpoint is not None:
        enroll_automatically(router, trustpoint)


def _ca_refused(router: Router, _event: PortEvent) -> None:
    router.counters.failed_validations += 1


def _request_sent(router: Router, event: PortEvent) -> None:
    router.counters.sessions_started += 1
    _log_request(router, event)


def _log_request(router: Router, event: PortEvent) -> None:
    if event.csr_der is None:
        return
    if router.train.logs_request_fingerprint:
        router.syslog(
            "csr_fingerprint",
            md5=_plain_fingerprint(event.csr_der, "md5"),
            sha1=_plain_fingerprint(event.csr_der, "sha1"),
            sha256=_plain_fingerprint(event.csr_der, "sha256"),
        )
    router.syslog("request_md5", md5=fingerprint_text(event.csr_der, "md5"))
    router.syslog("request_sha1", sha1=fingerprint_text(event.csr_der, "sha1"))


def _plain_fingerprint(data: bytes, algorithm: str) -> str:
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest().upper()


def _poll_sent(router: Router, _event: PortEvent) -> None:
    router.counters.sessions_started += 1
    router.syslog("poll")


def _pending(router: Router, _event: PortEvent) -> None:
    _debug(router, TRANSACTIONS, "pending")
    _debug(router, MESSAGES, "pending_reply")


def _issued(router: Router, event: PortEvent) -> None:
    router.counters.successful_validations += 1
    router.note_change()
    if router.train.certificate_log == "certret" or event.certificate_der is None:
        router.syslog("certret")
    else:
        certificate = x509.load_der_x509_certificate(event.certificate_der)
        router.syslog(
            "cert_install",
            name=event.trustpoint,
            issuer=shown_on_one_line(certificate.issuer),
            subject=shown_on_one_line(certificate.subject),
            serial=serial_hex(certificate.serial_number),
            end=iso_text(certificate.not_valid_after_utc),
        )
    router.syslog("not_autosaved")


def _rejected(router: Router, event: PortEvent) -> None:
    named = router.train.rejection_names_trustpoint
    router.syslog("rejected_named" if named else "rejected", name=event.trustpoint)
    _debug(router, TRANSACTIONS, "rejected")
    if event.fail_info is not None:
        _debug(router, TRANSACTIONS, "fail_info", fail_info=event.fail_info)
    _debug(router, MESSAGES, "rejected_reply")


def _failed(router: Router, _event: PortEvent) -> None:
    router.syslog("failed")


def _renew_started(router: Router, event: PortEvent) -> None:
    router.syslog("renewing", name=event.trustpoint)


def _renew_scheduled(router: Router, _event: PortEvent) -> None:
    _debug(router, TRANSACTIONS, "renewal_timers")


def _renew_failed(router: Router, event: PortEvent) -> None:
    if event.fail_info is not None:
        _rejected(router, event)
        return
    certificate_der = router.view(event.trustpoint).certificate_der
    certificate = x509.load_der_x509_certificate(certificate_der) if certificate_der else None
    if certificate and certificate.not_valid_after_utc <= event.at:
        router.counters.failed_validations += 1
        router.syslog(
            "expired",
            serial=serial_hex(certificate.serial_number),
            end=date_text(certificate.not_valid_after_utc, router.config.zone),
        )
    else:
        _failed(router, event)


def _debug(router: Router, topic: str, key: str, **values: object) -> None:
    if topic in router.debugging:
        router.log_text(router.profile.text(f"debug.{key}", **values))


_REPORTERS: dict[str, Callable[[Router, PortEvent], None]] = {
    PortEventKind.KEY_GENERATED: _key_generated,
    PortEventKind.KEY_REFUSED: _key_refused,
    PortEventKind.CA_UNREACHABLE: _ca_unreachable,
    PortEventKind.CA_PINNED_OK: _ca_trusted,
    PortEventKind.CA_TRUSTED: _ca_trusted,
    PortEventKind.CA_PIN_MISMATCH: _ca_refused,
    PortEventKind.CA_REFUSED: _ca_refused,
    PortEventKind.PKCSREQ_SENT: _request_sent,
    PortEventKind.REQUEST_CREATED: _log_request,
    PortEventKind.POLL_SENT: _poll_sent,
    PortEventKind.PENDING: _pending,
    PortEventKind.CERT_ISSUED: _issued,
    PortEventKind.CERT_RENEWED: _issued,
    PortEventKind.ENROLL_REJECTED: _rejected,
    PortEventKind.ENROLL_FAILED: _failed,
    PortEventKind.RENEW_SCHEDULED: _renew_scheduled,
    PortEventKind.RENEW_STARTED: _renew_started,
    PortEventKind.RENEW_FAILED: _renew_failed,
}
