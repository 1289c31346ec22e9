"""``request certificate …``: key pair and request, at a SCEP server or carried by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_devices.api import PortEvent, PortEventKind
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.candidate.tree import Tree, find, value
from sceplab_devices.profiles.cisco.names import read_subject
from sceplab_devices.profiles.paloalto_panos.device import Context, OwnCertificate
from sceplab_devices.steps import Dialog, Step, WaitFor

KEY_TIMEOUT_S = 300.0
ANSWER_TIMEOUT_S = 120.0
_RUNNING = frozenset({"KEYGEN", "REQUESTING", "PENDING", "ISSUED_UNVERIFIED", "CA_FETCH"})
_CA_ANSWERS = frozenset(
    {
        PortEventKind.CA_CERT_RECEIVED,
        PortEventKind.CA_PINNED_OK,
        PortEventKind.CA_PIN_MISMATCH,
        PortEventKind.CA_UNREACHABLE,
    }
)
_TRUSTED = (PortEventKind.CA_PINNED_OK, PortEventKind.CA_TRUSTED)
_ANSWERS = {
    PortEventKind.CERT_ISSUED: "certificate.issued",
    PortEventKind.CERT_RENEWED: "certificate.renewed",
    PortEventKind.PENDING: "certificate.pending",
    PortEventKind.ENROLL_REJECTED: "certificate.rejected",
    PortEventKind.ENROLL_FAILED: "certificate.failed",
    PortEventKind.RENEW_FAILED: "certificate.failed",
}


def generate(ctx: Context, request: Request, _pipes: Pipes) -> Dialog:
    """``request certificate generate``: with ``scep-profile``, or ``signed-by external``."""
    box, name = ctx.device, request.args["certificate-name"]
    profile = request.args.get("scep-profile", "")
    if not profile and request.args.get("signed-by") != "external":
        ctx.say("certificate.no_signer", name=request.args.get("signed-by", "(none)"))
        return
    if profile and not value(box.scep_profile(profile) or {}, "scep-url"):
        ctx.say("certificate.no_profile", name=profile)
        return
    certificate = _describe(ctx, request, profile)
    if certificate is None or not _may_begin(ctx, name):
        return
    if not (yield from _make_key(ctx, certificate)):
        return
    box.certificates[name] = certificate
    if not _write_down(ctx, certificate):
        return
    if profile:
        yield from _enroll(ctx, certificate)
    else:
        yield from _create_request(ctx, certificate)


def _may_begin(ctx: Context, name: str) -> bool:
    known = ctx.device.certificates.get(name)
    if known is None:
        return True
    view = ctx.device.view(known.port_name)
    if view.certificate_der:
        ctx.say("certificate.exists", name=name)
        return False
    if view.state in _RUNNING:
        ctx.say("certificate.busy", name=name)
        return False
    return True


def _describe(ctx: Context, request: Request, profile: str) -> OwnCertificate | None:
    """What is asked for; ``None``: it cannot be, and the operator knows why."""
    box, args = ctx.device, request.args
    settings = box.scep_profile(profile) or {}
    typed = value(settings, "subject") or f"CN={args.get('name', box.hostname)}"
    typed = typed.replace("$HOSTID", box.hostname).replace("$USERNAME", box.user_of(ctx.session))
    subject = None if "$" in typed else read_subject(typed)
    if subject is None:
        ctx.say("certificate.bad_subject", subject=typed)
        return None
    refused = _unsupported(settings)
    if refused:
        ctx.say("certificate.unsupported", what=refused)
        return None
    kind = args.get("algorithm", "RSA")
    bits = value(settings, "algorithm", "rsa", "rsa-nbits") or args.get("rsa-nbits", "2048")
    email = value(settings, "certificate-attributes", "rfc822name")
    host = value(settings, "certificate-attributes", "dnsname") or args.get("hostname", "")
    return OwnCertificate(
        name=args["certificate-name"],
        profile=profile,
        subject=subject,
        dns_names=(host,) if host else (),
        emails=(email,) if email else (),
        algorithm=f"rsa:{bits}" if kind == "RSA" else f"ec:p{args.get('ecdsa-nbits', '256')}",
        digest=value(settings, "digest") or args.get("digest", "sha256"),
    )


def _unsupported(settings: Tree) -> str:
    """What a SCEP profile asks for and this box cannot do; empty: nothing."""
    if value(settings, "certificate-attributes", "uniform-resource-identifier"):
        return "uniform-resource-identifier"
    if "dynamic" in (find(settings, "scep-challenge") or {}):
        return "scep-challenge dynamic"
    return ""


def _make_key(ctx: Context, certificate: OwnCertificate) -> Generator[Step, Any, bool]:
    """Makes the key pair unless an attempt before this one did."""
    box = ctx.device
    wanted = (certificate.name, certificate.algorithm)
    if wanted in [(key.label, key.algorithm) for key in box.key_pairs()]:
        return True
    if certificate.algorithm not in box.port.key_algorithms():
        ctx.say("certificate.unsupported", what=certificate.algorithm)
        return False
    box.port.generate_key(certificate.name, certificate.algorithm, exportable=True)
    event: PortEvent | None = yield WaitFor(
        lambda event: event.details.get("label") == certificate.name, KEY_TIMEOUT_S
    )
    if event is None or event.kind == PortEventKind.KEY_REFUSED:
        ctx.say("certificate.failed", reason=event.reason if event else "it takes too long")
        return False
    return True


def _write_down(ctx: Context, certificate: OwnCertificate) -> bool:
    box = ctx.device
    try:
        if box.configure_certificate(certificate):
            box.save()
            return True
        reason = "see the system log"
    except DeviceError as error:
        reason = str(error)
    del box.certificates[certificate.name]
    ctx.say("certificate.failed", reason=reason)
    return False


def _enroll(ctx: Context, certificate: OwnCertificate) -> Dialog:
    """Fetches the CA, compares its fingerprint where one is configured, sends the request."""
    box, name = ctx.device, certificate.port_name
    if not box.view(name).ca_certificates_der:
        box.port.authenticate(name)
        event = None
        try:
            event = yield from _wait(name, _CA_ANSWERS)
        finally:
            # After Ctrl-C, too: nobody waits for what it comes to.
            if event is None:
                box.port.cancel(name)
        if event is not None and event.kind == PortEventKind.CA_CERT_RECEIVED:
            # Without a fingerprint the platform takes the CA that answers.
            box.port.answer_ca(name, accept=True)
            event = yield from _wait(name, frozenset({PortEventKind.CA_TRUSTED}))
        if event is None or event.kind not in _TRUSTED:
            _say_untrusted(ctx, event)
            return
    box.port.enroll(name, challenge="")
    yield from _await_answer(ctx, certificate)


def _say_untrusted(ctx: Context, event: PortEvent | None) -> None:
    if event is not None and event.kind == PortEventKind.CA_PIN_MISMATCH:
        given = hashlib.sha256(event.certificate_der or b"").hexdigest()
        ctx.say("certificate.wrong_fingerprint", fingerprint=given)
        return
    ctx.say("certificate.unreachable", reason=event.reason if event else "no answer")


def _await_answer(ctx: Context, certificate: OwnCertificate) -> Dialog:
    event = yield from _wait(certificate.port_name, frozenset(_ANSWERS))
    if event is None:
        ctx.say("certificate.waiting", name=certificate.name)
        return
    ctx.say(
        _ANSWERS[event.kind],
        name=certificate.name,
        fail_info="none" if event.fail_info is None else event.fail_info,
        reason=event.reason or f"failInfo {event.fail_info}",
    )


def _create_request(ctx: Context, certificate: OwnCertificate) -> Dialog:
    try:
        ctx.device.port.create_request(certificate.port_name)
    except DeviceError as error:
        ctx.say("certificate.failed", reason=error)
        return
    kinds = frozenset({PortEventKind.REQUEST_CREATED, PortEventKind.ENROLL_FAILED})
    event = yield from _wait(certificate.port_name, kinds)
    if event is None or event.csr_der is None:
        ctx.say("certificate.failed", reason=event.reason if event else "it takes too long")
        return
    ctx.say("certificate.generated_request", name=certificate.name)
    _write_request(ctx, event.csr_der)


def show_request(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``request certificate show``: requests that wait, as PEM."""
    for certificate in ctx.device.certificates.values():
        waiting = ctx.device.view(certificate.port_name).pending_csr_der
        if waiting and request.args.get("certificate-name", certificate.name) == certificate.name:
            ctx.write(f"certificate-name: {certificate.name}")
            _write_request(ctx, waiting)


def _write_request(ctx: Context, csr_der: bytes) -> None:
    pem = x509.load_der_x509_csr(csr_der).public_bytes(Encoding.PEM)
    ctx.write(pem.decode().rstrip())


def renew(ctx: Context, request: Request, _pipes: Pipes) -> Dialog:
    """``request certificate renew``: nothing else renews a device's certificate."""
    certificate = _known(ctx, request)
    if certificate is None:
        return
    if ctx.device.scep_profile(certificate.profile) is None:
        ctx.say("certificate.no_profile", name=certificate.profile or "(none)")
        return
    ctx.device.port.renew(certificate.port_name)
    yield from _await_answer(ctx, certificate)


def export(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``request certificate export``: PEM of the certificate, or everything as PKCS #12."""
    certificate = _known(ctx, request)
    if certificate is None:
        return
    view = ctx.device.view(certificate.port_name)
    if request.args.get("format", "pem") == "pem":
        loaded = x509.load_der_x509_certificate(view.certificate_der or b"")
        ctx.write(loaded.public_bytes(Encoding.PEM).decode().rstrip())
        return
    passphrase = request.args.get("passphrase", "")
    if not passphrase:
        ctx.say("certificate.no_passphrase")
        return
    try:
        bundle = ctx.device.port.export_pkcs12(certificate.port_name, passphrase)
    except DeviceError as error:
        ctx.say("certificate.failed", reason=error)
        return
    for start in range(0, len(bundle), 32):
        ctx.write(bundle[start : start + 32].hex())


def _known(ctx: Context, request: Request) -> OwnCertificate | None:
    """A certificate that is there; ``None``: it is not, and the operator knows."""
    name = request.args["certificate-name"]
    certificate = ctx.device.certificates.get(name)
    if certificate is None or not ctx.device.view(certificate.port_name).certificate_der:
        ctx.say("certificate.unknown", name=name)
        return None
    return certificate


def _wait(name: str, kinds: frozenset[str]) -> Generator[Step, Any, PortEvent | None]:
    event: PortEvent | None = yield WaitFor(
        lambda event: event.trustpoint == name and event.kind in kinds, ANSWER_TIMEOUT_S
    )
    return event


COMMANDS: Mapping[str, Handler] = {
    "generate": generate,
    "renew": renew,
    "show_request": show_request,
    "export": export,
}
