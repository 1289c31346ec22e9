"""``show sslmgr-store …``: the certificates that the box really has.

Fields of a block as public parsers read them; blocks are separated by empty lines.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509

from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.paloalto_panos.certificate_entry import (
    date_text,
    is_ca,
    slashed_name,
    store_date,
)
from sceplab_devices.profiles.paloalto_panos.device import Context


def show_store(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show sslmgr-store config-certificate-info``."""
    for name, der in _held(ctx):
        certificate = x509.load_der_x509_certificate(der)
        end = certificate.not_valid_after_utc
        status = "V" if ctx.device.now() <= end else "E"
        ctx.write(f"certificate-name: {name}")
        ctx.write(f"issuer: {slashed_name(certificate.issuer)}")
        ctx.write(f"db-exp-date: {store_date(end)}")
        ctx.write("db-rev-date: ")
        ctx.write(f"db-serialno: {certificate.serial_number:X}")
        ctx.write("db-file: unknown")
        ctx.write(f"db-name: {slashed_name(certificate.subject)}")
        ctx.write(f"db-status: {status}")
        ctx.write()


def show_ca_store(ctx: Context, _request: Request, _pipes: Pipes) -> None:
    """``show sslmgr-store config-ca-certificate``: CAs of the configuration and of SCEP servers."""
    seen: set[bytes] = set()
    for der in [*ctx.device.authorities(ctx.device.active), *_scep_authorities(ctx)]:
        certificate = x509.load_der_x509_certificate(der)
        if der in seen or not is_ca(certificate):
            continue
        seen.add(der)
        ctx.write(f"subject: {slashed_name(certificate.subject)}")
        ctx.write(f"issuer: {slashed_name(certificate.issuer)}")
        ctx.write(f"not-valid-after: {date_text(certificate.not_valid_after_utc)}")
        ctx.write()


def _held(ctx: Context) -> list[tuple[str, bytes]]:
    box = ctx.device
    views = [(one.name, box.view(one.port_name)) for one in box.certificates.values()]
    return [(name, view.certificate_der) for name, view in views if view.certificate_der]


def _scep_authorities(ctx: Context) -> list[bytes]:
    views = [ctx.device.view(one.port_name) for one in ctx.device.certificates.values()]
    return [der for view in views for der in view.ca_certificates_der]


COMMANDS: Mapping[str, Handler] = {"show_store": show_store, "show_ca_store": show_ca_store}
