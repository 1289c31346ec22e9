"""``show crypto ca`` and ``show crypto key``: what the enrollment engine holds, in ASA's words."""

from __future__ import annotations

from cryptography import x509

from sceplab_devices.api import KeyView
from sceplab_devices.profiles.cisco.dates import date_text
from sceplab_devices.profiles.cisco.hexdump import hex_lines, serial_hex
from sceplab_devices.profiles.cisco.names import shown_rdns
from sceplab_devices.profiles.cisco_asa.certificate_text import (
    ShownCertificate,
    certificate_block,
    pending_block,
)
from sceplab_devices.profiles.cisco_asa.firewall import Context, Firewall


def show_certificates(ctx: Context) -> None:
    """``show crypto ca certificates [NAME]``."""
    firewall = ctx.device
    names = _wanted(ctx)
    if names is None:
        return
    for shown in _certificates(firewall, names):
        ctx.write("\n".join(certificate_block(shown, firewall.config.zone)))
        ctx.write()
    for name in names:
        view = firewall.view(name)
        if view.pending_csr_der is not None:
            request = x509.load_der_x509_csr(view.pending_csr_der)
            ctx.write("\n".join(pending_block(request, view.pending_digests, name)))
            ctx.write()


def _wanted(ctx: Context) -> list[str] | None:
    """Trustpoints the command is about; ``None``: an unknown one was named, and it was said."""
    wanted = ctx.args.get("name")
    if wanted is not None and wanted not in ctx.device.config.trustpoints:
        ctx.say("authenticate.unknown", name=wanted)
        return None
    return [name for name in ctx.device.config.trustpoints if wanted in (None, name)]


def _certificates(firewall: Firewall, names: list[str]) -> list[ShownCertificate]:
    """Certificates of these trustpoints; one that several share is listed once."""
    by_der: dict[bytes, ShownCertificate] = {}
    for name in names:
        view = firewall.view(name)
        held = [(view.certificate_der, False)] if view.certificate_der else []
        for certificate_der, is_ca in [*held, *((der, True) for der in view.ca_certificates_der)]:
            shown = by_der.get(certificate_der)
            if shown is None:
                certificate = x509.load_der_x509_certificate(certificate_der)
                shown = ShownCertificate(certificate=certificate, is_ca=is_ca, trustpoints=[])
                by_der[certificate_der] = shown
            shown.trustpoints.append(name)
            if not is_ca:
                shown.renew_at = view.renew_at
    return list(by_der.values())


def show_trustpoints(ctx: Context) -> None:
    """``show crypto ca trustpoints [NAME]``."""
    for name in _wanted(ctx) or []:
        trustpoint = ctx.device.config.trustpoints[name]
        view = ctx.device.view(name)
        ctx.say("show_ca.trustpoint", name=name)
        if not view.ca_certificates_der:
            ctx.say("show_ca.unauthenticated")
            continue
        authority = x509.load_der_x509_certificate(view.ca_certificates_der[0])
        ctx.say("show_ca.subject")
        for rdn in shown_rdns(authority.subject):
            ctx.write(f"    {rdn}")
        ctx.say("show_ca.serial", serial=serial_hex(authority.serial_number).lower())
        ctx.say("show_ca.configured")
        if trustpoint.url:
            ctx.say("show_ca.url", url=trustpoint.url)


def show_keys(ctx: Context) -> None:
    """``show crypto key mypubkey {rsa | ecdsa}``."""
    for key in ctx.device.key_pairs():
        if key.algorithm.startswith("rsa:") == ctx.has("rsa"):
            _show_key(ctx, key)


def _show_key(ctx: Context, key: KeyView) -> None:
    ctx.say("show_key.generated_at", at=date_text(key.generated_at, ctx.device.config.zone))
    ctx.say("show_key.name", label=key.label)
    ctx.say("show_key.usage")
    if key.algorithm.startswith("rsa:"):
        ctx.say("show_key.size", bits=key.algorithm.removeprefix("rsa:"))
    else:
        ctx.say("show_key.curve", curve=key.algorithm.removeprefix("ec:"))
    words = ctx.device.profile.data["key_storage"]
    ctx.write(words.get(key.storage, words["other"]).format(storage=key.storage))
    ctx.say("show_key.data")
    for line in hex_lines(key.public_key_der):
        ctx.write(line.lower().rstrip())
