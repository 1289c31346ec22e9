"""``show security pki …``."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509

from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.candidate.tree import names
from sceplab_devices.profiles.juniper_junos.certificate_text import (
    brief_lines,
    detail_lines,
    re_enrollment_lines,
    request_lines,
)
from sceplab_devices.profiles.juniper_junos.device import PKI, Context, LocalCertificate


def show_ca(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``show security pki ca-certificate``."""
    box = ctx.device
    for name in names(box.active, *PKI, "ca-profile"):
        if request.args.get("ca-profile", name) != name:
            continue
        for der in box.view(name).ca_certificates_der:
            certificate = x509.load_der_x509_certificate(der)
            if "detail" in request.args:
                lines = detail_lines(name, certificate, is_ca=True)
            else:
                lines = brief_lines(name, certificate)
            _write_block(ctx, [f"  CA profile: {name}", *lines])


def show_local(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``show security pki local-certificate``."""
    for certificate in ctx.device.certificates.values():
        if request.args.get("certificate-id", certificate.id) != certificate.id:
            continue
        der = ctx.device.view(certificate.port_name).certificate_der
        if der is None:
            continue
        loaded = x509.load_der_x509_certificate(der)
        if "detail" in request.args:
            lines = detail_lines(certificate.id, loaded, is_ca=False)
            lines += _local_lines(ctx, certificate)
        else:
            lines = brief_lines(certificate.id, loaded)
        _write_block(ctx, lines)


def show_request(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``show security pki certificate-request``."""
    for certificate in ctx.device.certificates.values():
        if request.args.get("certificate-id", certificate.id) != certificate.id:
            continue
        view = ctx.device.view(certificate.port_name)
        if view.pending_csr_der is not None:
            waiting, digests = x509.load_der_x509_csr(view.pending_csr_der), view.pending_digests
            is_detailed = "detail" in request.args
            lines = request_lines(certificate.id, waiting, digests, is_detailed=is_detailed)
            _write_block(ctx, lines)


def _local_lines(ctx: Context, certificate: LocalCertificate) -> list[str]:
    """What only the box knows of a certificate: when it re-enrolls, where the key is."""
    box = ctx.device
    settings = box.re_enrollment(certificate.id)
    view = box.view(certificate.port_name)
    lines = re_enrollment_lines(is_enabled=bool(settings), next_at=view.renew_at)
    key = box.find_key(certificate.id)
    if key is not None:
        places = box.profile.data["key_storage"]
        place = places.get(key.storage, places["other"]).format(storage=key.storage)
        lines += [place] if place else []
    return lines


def _write_block(ctx: Context, lines: list[str]) -> None:
    for line in lines:
        ctx.write(line)


COMMANDS: Mapping[str, Handler] = {
    "show_ca": show_ca,
    "show_local": show_local,
    "show_request": show_request,
}
