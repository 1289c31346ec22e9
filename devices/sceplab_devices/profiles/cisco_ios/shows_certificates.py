"""``show crypto pki certificates``: what the enrollment engine holds, in IOS's words."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509

from sceplab_devices.api import TrustpointView
from sceplab_devices.profiles.cisco_ios.certificate_text import (
    ShownCertificate,
    certificate_block,
    pending_block,
)
from sceplab_devices.profiles.cisco_ios.router import Context, Router

KEY_STORAGE = "private config"


@dataclass(slots=True)
class _Holdings:
    """Certificates of several trustpoints; one that several share is listed once."""

    router: Router
    by_der: dict[bytes, ShownCertificate] = field(default_factory=dict)

    def add(self, name: str, view: TrustpointView) -> None:
        """Adds what a trustpoint holds: router certificate first."""
        if view.certificate_der:
            shown = self._certificate(view.certificate_der, name, is_ca=False)
            shown.renew_at = view.renew_at
            shown.key_label = view.key_label
            if self.router.train.certificate_log == "cert_install":
                shown.installed_at = view.installed_at
                shown.key_storage = KEY_STORAGE
        for certificate_der in view.ca_certificates_der[:1]:
            self._certificate(certificate_der, name, is_ca=True)

    def _certificate(self, certificate_der: bytes, name: str, *, is_ca: bool) -> ShownCertificate:
        shown = self.by_der.get(certificate_der)
        if shown is None:
            shown = self.by_der[certificate_der] = ShownCertificate(
                certificate=x509.load_der_x509_certificate(certificate_der),
                is_ca=is_ca,
                trustpoints=[],
                is_saved=certificate_der in self.router.saved_certificates,
            )
        shown.trustpoints.append(name)
        return shown


def show_certificates(ctx: Context) -> None:
    """``show crypto pki certificates [verbose] [NAME]``."""
    router = ctx.device
    wanted = ctx.args.get("name")
    names = [name for name in router.config.trustpoints if wanted in (None, name)]
    if wanted is not None and not names:
        ctx.say("authenticate.unknown", name=wanted)
        return
    views = {name: router.view(name) for name in names}
    holdings = _Holdings(router)
    for name, view in views.items():
        holdings.add(name, view)
    zone, verbose = router.config.zone, ctx.has("verbose")
    for shown in holdings.by_der.values():
        ctx.write("\n".join(certificate_block(shown, zone, verbose=verbose)))
        ctx.write()
    for name, view in views.items():
        if view.pending_csr_der is not None:
            request = x509.load_der_x509_csr(view.pending_csr_der)
            ctx.write()
            ctx.write("\n".join(pending_block(request, view.pending_digests, name)))
            ctx.write()
