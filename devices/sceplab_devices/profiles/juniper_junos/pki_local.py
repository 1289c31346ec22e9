"""``request security pki …`` for key pairs, requests and local certificates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from sceplab_devices.api import PortEvent, PortEventKind, TrustpointView
from sceplab_devices.errors import DeviceError
from sceplab_devices.profiles.candidate.commands import Request
from sceplab_devices.profiles.candidate.pipes import Pipes
from sceplab_devices.profiles.candidate.platform import Handler
from sceplab_devices.profiles.candidate.tree import value
from sceplab_devices.profiles.cisco.names import read_subject
from sceplab_devices.profiles.juniper_junos.certificate_text import fingerprint
from sceplab_devices.profiles.juniper_junos.device import Context, LocalCertificate
from sceplab_devices.profiles.juniper_junos.files_and_shell import read_file, write_file
from sceplab_devices.profiles.juniper_junos.pem import read_certificates
from sceplab_devices.profiles.juniper_junos.pki_ca import issuer_of, pem_of
from sceplab_devices.steps import Dialog, WaitFor

KEY_TIMEOUT_S = 300.0
REQUEST_TIMEOUT_S = 60.0
_DEFAULT_BITS = {"rsa": "2048", "ecdsa": "256"}
_DIGESTS = {"sha-1": "sha1", "sha-256": "sha256", "sha-384": "sha384", "md5": "md5"}
_RUNNING = frozenset({"KEYGEN", "REQUESTING", "PENDING", "ISSUED_UNVERIFIED", "CA_FETCH"})


def generate_key_pair(ctx: Context, request: Request, _pipes: Pipes) -> Dialog:
    """``request security pki generate-key-pair``."""
    box, id_ = ctx.device, request.args["certificate-id"]
    kind = request.args.get("type", "rsa")
    if kind == "dsa":
        ctx.say("pki.not_supported", what="dsa")
        return
    bits = request.args.get("size", _DEFAULT_BITS[kind])
    if box.find_key(id_):
        ctx.say("pki.key_exists", id=id_)
        return
    algorithm = f"rsa:{bits}" if kind == "rsa" else f"ec:p{bits}"
    if algorithm not in box.port.key_algorithms():
        ctx.say("pki.key_refused", reason=f"size {bits} of type {kind} is not supported")
        return
    box.port.generate_key(id_, algorithm, exportable=True)
    event: PortEvent | None = yield WaitFor(
        lambda event: (
            event.kind in (PortEventKind.KEY_GENERATED, PortEventKind.KEY_REFUSED)
            and event.details.get("label") == id_
        ),
        KEY_TIMEOUT_S,
    )
    if event is None or event.kind == PortEventKind.KEY_REFUSED:
        ctx.say("pki.key_refused", reason=event.reason if event else "it takes too long")
        return
    ctx.say("pki.key_generated", id=id_, bits=bits)


def enroll(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``request security pki local-certificate enroll [scep]``."""
    box = ctx.device
    id_, profile = request.args["certificate-id"], request.args["ca-profile"]
    settings = box.profile_settings(profile)
    if settings is None:
        ctx.say("pki.no_profile", profile=profile)
        return
    if not value(settings, "enrollment", "url"):
        ctx.say("pki.no_url", profile=profile)
        return
    if not box.view(profile).ca_certificates_der:
        ctx.say("pki.no_ca", profile=profile)
        return
    certificate = _begin(ctx, request, profile)
    if certificate is None:
        return
    challenge = request.args.get("challenge-password", "")
    ctx.say("pki.enroll_started")
    if box.view(certificate.port_name).ca_certificates_der:
        box.port.enroll(certificate.port_name, challenge=challenge)
        return
    # The engine fetches the CA's certificates for this enrollment too, pinned to the loaded one.
    box.challenges[id_] = challenge
    box.port.authenticate(certificate.port_name)


def generate_request(ctx: Context, request: Request, _pipes: Pipes) -> Dialog:
    """``request security pki generate-certificate-request``."""
    box = ctx.device
    certificate = _begin(ctx, request, "")
    if certificate is None:
        return
    try:
        box.port.create_request(certificate.port_name)
    except DeviceError as error:
        ctx.say("pki.failed", reason=error)
        return
    kinds = (PortEventKind.REQUEST_CREATED, PortEventKind.ENROLL_FAILED)
    event: PortEvent | None = yield WaitFor(
        lambda event: event.trustpoint == certificate.port_name and event.kind in kinds,
        REQUEST_TIMEOUT_S,
    )
    if event is None or event.csr_der is None:
        ctx.say("pki.failed", reason=event.reason if event else "it takes too long")
        return
    pem = x509.load_der_x509_csr(event.csr_der).public_bytes(Encoding.PEM)
    ctx.say(
        "pki.request",
        pem=pem.decode().rstrip(),
        sha1=fingerprint(event.csr_der, "sha1"),
        md5=fingerprint(event.csr_der, "md5"),
    )
    if "filename" in request.args:
        write_file(ctx, request.args["filename"], pem)


def _begin(ctx: Context, request: Request, profile: str) -> LocalCertificate | None:
    """Writes down what is to be enrolled; ``None``: it cannot be, and the operator knows why."""
    box, id_ = ctx.device, request.args["certificate-id"]
    if box.find_key(id_) is None:
        ctx.say("pki.no_key", id=id_)
        return None
    known = box.certificates.get(id_)
    view = box.view(known.port_name) if known else TrustpointView(state="UNCONFIGURED")
    if view.certificate_der:
        ctx.say("pki.exists", id=id_)
        return None
    if view.state in _RUNNING:
        ctx.say("pki.busy", id=id_)
        return None
    subject = read_subject(request.args["subject"])
    if subject is None:
        ctx.say("pki.bad_subject")
        return None
    certificate = LocalCertificate(
        id=id_,
        profile=profile,
        subject=subject,
        dns_names=_given(request, "domain-name"),
        emails=_given(request, "email"),
        ip_addresses=_given(request, "ip-address", "ipv6-address"),
        digest=_DIGESTS[request.args.get("digest", "sha-256")],
    )
    held, loaded = view.ca_certificates_der[:1], box.view(profile).ca_certificates_der[:1]
    if known is not None and (known.profile != profile or (profile and held and held != loaded)):
        box.forget_certificate(id_)  # the engine would go on with the CA of then
    return _write_down(ctx, certificate, known)


def _given(request: Request, *options: str) -> tuple[str, ...]:
    return tuple(request.args[option] for option in options if option in request.args)


def _write_down(
    ctx: Context, certificate: LocalCertificate, known: LocalCertificate | None
) -> LocalCertificate | None:
    box = ctx.device
    box.certificates[certificate.id] = certificate
    if box.configure_certificate(certificate) and _save(ctx):
        return certificate
    del box.certificates[certificate.id]
    if known is not None:
        box.certificates[certificate.id] = known
    ctx.say("pki.failed", reason="see the pkid log")
    return None


def _save(ctx: Context) -> bool:
    try:
        ctx.device.save()
    except DeviceError as error:
        ctx.say("config.not_saved", reason=error)
        return False
    return True


def load(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``request security pki local-certificate load``."""
    box, id_ = ctx.device, request.args["certificate-id"]
    data = read_file(ctx, request.args["filename"])
    if data is None:
        return
    certificates = read_certificates(data)
    if not certificates:
        ctx.say("pki.bad_file", file=request.args["filename"])
        return
    loaded = x509.load_der_x509_certificate(certificates[0])
    if "key" in request.args and not _load_key(ctx, request, id_):
        return
    known = box.certificates.get(id_)
    if known is None:
        ctx.say("pki.no_key", id=id_)
        return
    try:
        if not box.view(known.port_name).ca_certificates_der:
            box.port.import_ca(known.port_name, issuer_of(ctx, loaded))
        box.port.import_certificate(known.port_name, certificates[0])
    except DeviceError as error:
        ctx.say("pki.failed", reason=error)
        return
    ctx.say("pki.local_loaded")


def _load_key(ctx: Context, request: Request, id_: str) -> bool:
    data = read_file(ctx, request.args["key"])
    if data is None:
        return False
    try:
        pem = data.decode("ascii", errors="replace")
        ctx.device.port.import_key(id_, pem, request.args.get("passphrase", ""), exportable=True)
    except DeviceError as error:
        ctx.say("pki.failed", reason=error)
        return False
    return True


def verify(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``request security pki local-certificate verify certificate-id ID``."""
    id_ = request.args["certificate-id"]
    view = _view(ctx, id_)
    if view is None or view.certificate_der is None:
        ctx.say("pki.no_local", id=id_)
        return
    certificate = x509.load_der_x509_certificate(view.certificate_der)
    reason = _why_invalid(ctx, certificate)
    if reason:
        ctx.say("pki.local_not_verified", id=id_, reason=reason)
    else:
        ctx.say("pki.local_verified", id=id_)


def _why_invalid(ctx: Context, certificate: x509.Certificate) -> str:
    now = ctx.device.now()
    if now < certificate.not_valid_before_utc:
        return "the certificate is not valid yet"
    if now > certificate.not_valid_after_utc:
        return "the certificate has expired"
    held = issuer_of(ctx, certificate)
    if not held:
        return "the CA certificate is not loaded"
    try:
        certificate.verify_directly_issued_by(x509.load_der_x509_certificate(held[0]))
    except (ValueError, TypeError, InvalidSignature):
        return "the signature is wrong"
    return ""


def re_enroll(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``request security pki local-certificate re-enroll scep``: what the timer would do."""
    id_ = request.args["certificate-id"]
    view = _view(ctx, id_)
    if view is None or view.certificate_der is None:
        ctx.say("pki.no_local", id=id_)
        return
    box, certificate = ctx.device, ctx.device.certificates[id_]
    profile = request.args.get("ca-profile-name", certificate.profile)
    if box.profile_settings(profile) is None or profile != certificate.profile:
        ctx.say("pki.no_profile", profile=profile)
        return
    if "re-generate-keypair" in request.args:
        box.configure_certificate(certificate, new_key=True)
    box.port.renew(certificate.port_name)
    ctx.say("pki.re_enroll_started")


def export(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``request security pki local-certificate export``."""
    id_ = request.args["certificate-id"]
    view = _view(ctx, id_)
    if view is None or view.certificate_der is None:
        ctx.say("pki.no_local", id=id_)
        return
    is_der = request.args.get("type") == "der"
    data = view.certificate_der if is_der else pem_of(view.certificate_der)
    write_file(ctx, request.args["filename"], data)
    ctx.say("pki.exported")


def export_key(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``request security pki key-pair export``: the key leaves encrypted only."""
    id_ = request.args["certificate-id"]
    passphrase = request.args.get("passphrase", "")
    if not passphrase:
        ctx.say("pki.no_passphrase")
        return
    try:
        pem = ctx.device.port.export_key(id_, passphrase, "aes")
    except DeviceError as error:
        ctx.say("pki.failed", reason=error)
        return
    write_file(ctx, request.args["filename"], pem.encode())
    ctx.say("pki.key_exported")


def clear_local(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``clear security pki local-certificate``: the certificate; its key pair goes too (D)."""
    for id_ in _chosen(ctx, request, lambda view: view.certificate_der is not None):
        ctx.device.forget_certificate(id_)
        _delete_key(ctx, id_)
    _save(ctx)


def clear_request(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``clear security pki certificate-request``: what waits at a CA; the key pair stays."""
    for id_ in _chosen(ctx, request, lambda view: view.certificate_der is None):
        ctx.device.forget_certificate(id_)
    _save(ctx)


def clear_key(ctx: Context, request: Request, _pipes: Pipes) -> None:
    """``clear security pki key-pair``: with the certificate and the request that need it (D)."""
    box = ctx.device
    if "all" in request.args:
        chosen = [key.label for key in box.key_pairs()]
    else:
        chosen = [request.args["certificate-id"]] if "certificate-id" in request.args else []
    for id_ in chosen:
        box.forget_certificate(id_)
        _delete_key(ctx, id_)
    _save(ctx)


def _chosen(ctx: Context, request: Request, fits: Callable[[TrustpointView], bool]) -> list[str]:
    certificates = ctx.device.certificates
    named = [request.args["certificate-id"]] if "certificate-id" in request.args else []
    wanted = list(certificates) if "all" in request.args else named
    return [
        id_
        for id_ in wanted
        if id_ in certificates and fits(ctx.device.view(certificates[id_].port_name))
    ]


def _delete_key(ctx: Context, id_: str) -> None:
    try:
        ctx.device.port.delete_key(id_)
    except DeviceError as error:
        ctx.say("pki.failed", reason=error)


def _view(ctx: Context, id_: str) -> TrustpointView | None:
    known = ctx.device.certificates.get(id_)
    return ctx.device.view(known.port_name) if known else None


COMMANDS: Mapping[str, Handler] = {
    "generate_key_pair": generate_key_pair,
    "local_enroll": enroll,
    "generate_request": generate_request,
    "local_load": load,
    "local_verify": verify,
    "local_re_enroll": re_enroll,
    "local_export": export,
    "key_export": export_key,
    "clear_local": clear_local,
    "clear_request": clear_request,
    "clear_key": clear_key,
}
