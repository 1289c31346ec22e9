"""Log lines that a certificate is about to end: 60 days before, then weekly, then daily.

Only certificates that nothing renews are told of, at the moments that follow their installation.
When the clock jumps over several of them, one line is logged.

Source: the vendor's configuration guide, "PKI Credentials Expiry Alerts", for the moments and for
what a line names.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from sceplab_devices.profiles.cisco.hexdump import serial_hex
from sceplab_devices.profiles.cisco.names import shown_on_one_line

if TYPE_CHECKING:
    from sceplab_devices.profiles.cisco_ios.router import Router

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_BEGIN = timedelta(days=60)


def next_alert(end: datetime, after: datetime) -> datetime | None:
    """The first alert behind a moment; ``None``: the last one is over.

    Args:
        end: of the certificate, aware UTC.
        after: the moment.
    """
    return next((at for at in _alerts(end) if at > after), None)


def _alerts(end: datetime) -> Iterator[datetime]:
    at = end - _BEGIN
    while at < end:
        yield at
        left = end - at
        at = min(at + _WEEK, end - _WEEK) if left > _WEEK else at + _DAY


def watched_certificates(router: Router) -> dict[str, x509.Certificate]:
    """Certificates that end without being renewed, by trustpoint."""
    views = {
        name: router.view(name)
        for name, trustpoint in router.config.trustpoints.items()
        if not trustpoint.renews
    }
    return {
        name: x509.load_der_x509_certificate(view.certificate_der)
        for name, view in views.items()
        if view.certificate_der
    }


def next_deadline(router: Router) -> datetime | None:
    """When the next line is due."""
    watched = watched_certificates(router).items()
    moments = [_due(router, name, found, router.alerted_at) for name, found in watched]
    return min((at for at in moments if at is not None), default=None)


def _due(
    router: Router, name: str, certificate: x509.Certificate, told_at: datetime
) -> datetime | None:
    """Alert that follows what was told of, and the installation."""
    installed_at = router.view(name).installed_at or told_at
    return next_alert(certificate.not_valid_after_utc, max(told_at, installed_at))


def log_alerts(router: Router, now: datetime) -> None:
    """Logs what has come due since the last time."""
    since, router.alerted_at = router.alerted_at, now
    for name, certificate in watched_certificates(router).items():
        end = certificate.not_valid_after_utc
        due = _due(router, name, certificate, since)
        if due is None or due > now or end <= now:
            continue
        left = end - now
        router.syslog(
            "expiry_warning" if left > _WEEK else "expiry_alert",
            name=name,
            serial=serial_hex(certificate.serial_number),
            issuer=shown_on_one_line(certificate.issuer),
            days=round(left / _DAY),
        )
