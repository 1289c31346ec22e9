"""What the box keeps of its PKI besides trustpoints: PEM texts, places, CRLs, pools, servers."""

from __future__ import annotations

from cryptography import x509

from sceplab_devices.profiles.cisco.pasting import armored
from sceplab_devices.profiles.cisco_ios.router import Context


def show_certificates_pem(ctx: Context) -> None:
    """``show crypto pki certificates pem [NAME]``."""
    router = ctx.device
    wanted = ctx.args.get("name")
    names = [name for name in router.config.trustpoints if wanted in (None, name)]
    if wanted is not None and not names:
        ctx.say("authenticate.unknown", name=wanted)
        return
    for name in names:
        view = router.view(name)
        ctx.say("show_store.pem_head", name=name)
        if view.certificate_der is None:
            ctx.say("export.only_ca", name=name)
        if view.ca_certificates_der:
            authority = view.ca_certificates_der[0]
            ctx.say(_authority_title(authority))
            ctx.write("\n".join([*armored("CERTIFICATE", authority), ""]))
        if view.certificate_der is not None:
            ctx.say("export.certificate")
            ctx.write("\n".join([*armored("CERTIFICATE", view.certificate_der), ""]))


def _authority_title(certificate_der: bytes) -> str:
    certificate = x509.load_der_x509_certificate(certificate_der)
    is_root = certificate.issuer == certificate.subject
    return "show_store.self_signed_ca" if is_root else "export.ca"


def show_certificate_storage(ctx: Context) -> None:
    """``show crypto pki certificates storage``."""
    for name, trustpoint in ctx.device.config.trustpoints.items():
        device = trustpoint.line("storage").partition(" ")[2] or "nvram:"
        ctx.say("show_store.storage", name=name, device=device)


def show_trustpool(ctx: Context) -> None:
    """``show crypto pki trustpool``: the pool is empty."""
    ctx.say("show_store.trustpool_empty")


def show_crls(ctx: Context) -> None:
    """``show crypto pki crls``: nothing behind the console fetches any."""
    ctx.say("show_store.crls")


def show_pki_server(ctx: Context) -> None:
    """``show crypto pki server [NAME] …``: the box is no CA."""
    name = ctx.args.get("name")
    if name is None:
        ctx.say("show_store.no_server")
    else:
        ctx.say("show_store.unknown_server", name=name)
