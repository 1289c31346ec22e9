"""``show crypto pki trustpoints [status]`` and ``counters``."""

from __future__ import annotations

from cryptography import x509

from sceplab_devices.api import TrustpointView
from sceplab_devices.profiles.cisco.dates import date_text
from sceplab_devices.profiles.cisco.hexdump import serial_hex
from sceplab_devices.profiles.cisco.names import shown_on_one_line, shown_rdns
from sceplab_devices.profiles.cisco.x509_text import fingerprint_text, usage_text
from sceplab_devices.profiles.cisco_ios.router import Context, Router
from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint, key_label_of, shown_url


def show_trustpoints(ctx: Context) -> None:
    """``show crypto pki trustpoints [NAME] [status]``."""
    trustpoints = ctx.device.config.trustpoints
    wanted = ctx.args.get("name")
    if wanted is not None and wanted not in trustpoints:
        ctx.say("authenticate.unknown", name=wanted)
        return
    lines_of = _status_lines if ctx.has("status") else _summary_lines
    for name, trustpoint in trustpoints.items():
        if wanted in (None, name):
            ctx.write("\n".join([f"Trustpoint {name}:", *lines_of(ctx.device, trustpoint)]))
            ctx.write("\n")


def _summary_lines(router: Router, trustpoint: Trustpoint) -> list[str]:
    view = router.view(trustpoint.name)
    if not view.ca_certificates_der:
        return []
    authority = x509.load_der_x509_certificate(view.ca_certificates_der[0])
    lines = [
        "    Subject Name:",
        *(f"    {rdn}" for rdn in shown_rdns(authority.subject)),
        f"          Serial Number (hex): {serial_hex(authority.serial_number)}",
        "    Certificate configured.",
    ]
    if trustpoint.url:
        lines.append(f"    SCEP URL: {_scep_url(trustpoint.url)}")
    return lines


def _scep_url(url: str) -> str:
    shown = shown_url(url).rstrip("/")
    return shown if "/" in shown.partition("://")[2] else f"{shown}/cgi-bin"


def _status_lines(router: Router, trustpoint: Trustpoint) -> list[str]:
    view = router.view(trustpoint.name)
    lines = []
    if view.ca_certificates_der:
        lines.append("  Issuing CA certificate configured:")
        lines += _certificate_lines(view.ca_certificates_der[0])
    if view.certificate_der:
        usage = usage_text(x509.load_der_x509_certificate(view.certificate_der))
        lines.append(f"  Router {usage} certificate configured:")
        lines += _certificate_lines(view.certificate_der)
    if view.next_poll_at is not None:
        lines.append(
            f"  Next enrollment attempt: {date_text(view.next_poll_at, router.config.zone)}"
        )
    if view.last_status:
        lines.append(f"  Last enrollment status: {view.last_status.capitalize()}")
    return [*lines, *_state_lines(router, trustpoint, view)]


def _certificate_lines(certificate_der: bytes) -> list[str]:
    subject = x509.load_der_x509_certificate(certificate_der).subject
    return [
        "    Subject Name:",
        f"     {shown_on_one_line(subject)}",
        f"    Fingerprint MD5: {fingerprint_text(certificate_der, 'md5')}",
        f"    Fingerprint SHA1: {fingerprint_text(certificate_der, 'sha1')}",
    ]


def _state_lines(router: Router, trustpoint: Trustpoint, view: TrustpointView) -> list[str]:
    key = router.find_key(view.key_label or key_label_of(router, trustpoint))
    keys = "No"
    if key is not None:
        keys = f"Yes (General Purpose, {'' if key.exportable else 'non-'}exportable)"
    requests = "None"
    if view.pending_csr_der is not None:
        requests = "Pending"
    elif view.certificate_der is not None:
        requests = "Yes"
    return [
        "  State:",
        f"    Keys generated ............. {keys}",
        f"    Issuing CA authenticated ....... {'Yes' if view.ca_certificates_der else 'No'}",
        f"    Certificate request(s) ..... {requests}",
    ]


def show_counters(ctx: Context) -> None:
    """``show crypto pki counters``."""
    counters = ctx.device.counters
    counted = {
        "PKI Sessions Started": counters.sessions_started,
        "PKI Sessions Ended": counters.sessions_ended,
        "PKI Sessions Active": counters.sessions_started - counters.sessions_ended,
        "Successful Validations": counters.successful_validations,
        "Failed Validations": counters.failed_validations,
        # Nothing behind the console checks CRLs or asks AAA, so these stay at zero.
        "Bypassed Validations": 0,
        "Pending Validations": 0,
        "CRLs checked": 0,
        "CRL - fetch attempts": 0,
        "CRL - failed attempts": 0,
        "CRL - rejected busy fetching": 0,
        "AAA authorizations": 0,
    }
    for title, count in counted.items():
        ctx.write(f"{title}: {count}")
