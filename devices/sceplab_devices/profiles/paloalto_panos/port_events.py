"""What the enrollment engine reports: lines of the system log, certificates for the candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.profiles.candidate.tree import value

if TYPE_CHECKING:
    from sceplab_devices.profiles.paloalto_panos.device import Firewall, OwnCertificate

_KEYS = {
    PortEventKind.PKCSREQ_SENT: "log.sent",
    PortEventKind.PENDING: "log.pending",
    PortEventKind.POLL_SENT: "log.poll",
    PortEventKind.CERT_ISSUED: "log.issued",
    PortEventKind.CERT_RENEWED: "log.renewed",
    PortEventKind.ENROLL_REJECTED: "log.rejected",
    PortEventKind.ENROLL_FAILED: "log.failed",
    PortEventKind.RENEW_FAILED: "log.failed",
    PortEventKind.CA_UNREACHABLE: "log.unreachable",
    PortEventKind.CA_PIN_MISMATCH: "log.wrong_ca",
}
_INSTALLED = (PortEventKind.CERT_ISSUED, PortEventKind.CERT_RENEWED)


def report(box: Firewall, event: PortEvent) -> None:
    """Logs an event; a certificate that came waits in the candidate configuration."""
    certificate = box.certificate_of(event)
    key = _KEYS.get(event.kind)
    if certificate is None or key is None:
        return
    box.log_text(key, **_values(box, certificate, event))
    if event.kind in _INSTALLED:
        box.show_in_candidate(certificate)


def _values(box: Firewall, certificate: OwnCertificate, event: PortEvent) -> dict[str, object]:
    settings = box.scep_profile(certificate.profile) or {}
    serial = ""
    if event.certificate_der is not None:
        serial = f"{x509.load_der_x509_certificate(event.certificate_der).serial_number:x}"
    return {
        "name": certificate.name,
        "url": value(settings, "scep-url"),
        "serial": serial,
        "fail_info": "none" if event.fail_info is None else event.fail_info,
        "reason": event.reason or "no answer",
    }
